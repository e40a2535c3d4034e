/*
 * AMD security processor (PSP), the part that the x86 processors see
 *
 * A PCI device with a mailbox.  The driver writes the address of a command
 * buffer to two registers and the number of a command to a third one; the
 * firmware (amd-sev-fw.c) processes it, the status appears in the third
 * register, and there is an interrupt if one was asked for.  Most commands are
 * done within the write; the others in slices, between which everybody else
 * gets the iothread lock.
 *
 * There are several layouts of the registers.  This one is that of PCI device
 * 1022:14ca, which has no cryptographic coprocessor next to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/misc/amd-psp.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "trace.h"

#define PSP_PCI_DEVICE_ID   0x14ca

#define PSP_MMIO_BAR        2
#define PSP_MMIO_SIZE       (1 * MiB)
#define PSP_MSIX_BAR        5
#define PSP_NUM_VECTORS     1

#define PSP_REG_INT_ENABLE  0x10690     /* P2CMSG_INTEN */
#define PSP_REG_INT_STATUS  0x10694     /* P2CMSG_INTSTS, write 1 to clear */
#define PSP_REG_CMDRESP     0x10980     /* C2PMSG_32 */
#define PSP_REG_CMDBUF_LO   0x109e0     /* C2PMSG_56 */
#define PSP_REG_CMDBUF_HI   0x109e4     /* C2PMSG_57 */
#define PSP_REG_FEATURES    0x109fc     /* C2PMSG_63 */

#define PSP_INT_SEV         (1U << 1)

#define PSP_FEATURE_SEV     (1U << 0)

#define PSP_CMDRESP_RESP    (1U << 31)
#define PSP_CMDRESP_IOC     (1U << 0)
#define PSP_CMDRESP_CMD_SHIFT   16
#define PSP_CMDRESP_CMD_LENGTH  11

/* Who waits for the iothread lock needs so long to wake up and take it. */
#define PSP_PAUSE_US        100

static bool psp_uses_messages(AmdPsp *psp)
{
    return msix_enabled(&psp->parent_obj) || msi_enabled(&psp->parent_obj);
}

/* The pin follows the level; a message is sent when it rises. */
static void psp_update_irq(AmdPsp *psp, uint32_t raised)
{
    PCIDevice *pci = &psp->parent_obj;

    if (!psp_uses_messages(psp)) {
        pci_set_irq(pci, !!(psp->int_status & psp->int_enable));
    } else if (raised & psp->int_enable) {
        if (msix_enabled(pci)) {
            msix_notify(pci, 0);
        } else {
            msi_notify(pci, 0);
        }
    }
}

static bool psp_busy(AmdPsp *psp)
{
    return !(psp->cmdresp & PSP_CMDRESP_RESP);
}

static void psp_pause(AmdPsp *psp)
{
    timer_mod(psp->timer, qemu_clock_get_us(QEMU_CLOCK_VIRTUAL) + PSP_PAUSE_US);
}

/* The command in cmdresp has come to this status. */
static void psp_respond(AmdPsp *psp, SevStatus status)
{
    bool interrupt = psp->cmdresp & PSP_CMDRESP_IOC;

    if (status == SEV_STATUS_PENDING) {
        psp_pause(psp);
        return;
    }
    psp->cmdresp = PSP_CMDRESP_RESP | (status & 0xffff);
    if (interrupt) {
        psp->int_status |= PSP_INT_SEV;
        psp_update_irq(psp, PSP_INT_SEV);
    }
}

static void psp_continue(void *opaque)
{
    AmdPsp *psp = opaque;

    psp_respond(psp, sev_fw_continue(&psp->fw));
}

static void psp_command(AmdPsp *psp, uint32_t val)
{
    uint32_t id = extract32(val, PSP_CMDRESP_CMD_SHIFT,
                            PSP_CMDRESP_CMD_LENGTH);

    psp->cmdresp = val;
    psp_respond(psp, sev_fw_command(&psp->fw, id,
                                    (uint64_t)psp->cmdbuf_hi << 32 |
                                    psp->cmdbuf_lo));
}

static uint64_t psp_mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    AmdPsp *psp = opaque;
    uint32_t val = 0;

    switch (addr) {
    case PSP_REG_INT_ENABLE:
        val = psp->int_enable;
        break;
    case PSP_REG_INT_STATUS:
        val = psp->int_status;
        break;
    case PSP_REG_CMDRESP:
        val = psp->cmdresp;
        break;
    case PSP_REG_CMDBUF_LO:
        val = psp->cmdbuf_lo;
        break;
    case PSP_REG_CMDBUF_HI:
        val = psp->cmdbuf_hi;
        break;
    case PSP_REG_FEATURES:
        val = PSP_FEATURE_SEV;
        break;
    default:
        qemu_log_mask(LOG_UNIMP, "amd-psp: read of register 0x%" HWADDR_PRIx
                      "\n", addr);
        break;
    }
    trace_amd_psp_read(addr, val);
    return val;
}

static void psp_mmio_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned size)
{
    AmdPsp *psp = opaque;
    uint32_t old;

    trace_amd_psp_write(addr, val);
    switch (addr) {
    case PSP_REG_INT_ENABLE:
        old = psp->int_enable;
        psp->int_enable = val;
        psp_update_irq(psp, psp->int_status & val & ~old);
        break;
    case PSP_REG_INT_STATUS:
        psp->int_status &= ~val;
        psp_update_irq(psp, 0);
        break;
    case PSP_REG_CMDRESP:
        /* With the response bit set it is an answer, not a command. */
        if (psp_busy(psp)) {
            qemu_log_mask(LOG_GUEST_ERROR, "amd-psp: command 0x%" PRIx64
                          " before the last one has ended\n", val);
        } else if (val & PSP_CMDRESP_RESP) {
            psp->cmdresp = val;
        } else {
            psp_command(psp, val);
        }
        break;
    case PSP_REG_CMDBUF_LO:
        psp->cmdbuf_lo = val;
        break;
    case PSP_REG_CMDBUF_HI:
        psp->cmdbuf_hi = val;
        break;
    default:
        qemu_log_mask(LOG_UNIMP, "amd-psp: write of register 0x%" HWADDR_PRIx
                      "\n", addr);
        break;
    }
}

static const MemoryRegionOps psp_mmio_ops = {
    .read = psp_mmio_read,
    .write = psp_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl.min_access_size = 4,
    .impl.max_access_size = 4,
    .valid.min_access_size = 4,
    .valid.max_access_size = 4,
};

static void psp_realize(PCIDevice *pci, Error **errp)
{
    AmdPsp *psp = AMD_PSP(pci);

    if (!psp->fw.max_asid || psp->fw.max_asid > SEV_FW_MAX_ASID) {
        error_setg(errp, "max-asid must be between 1 and %d", SEV_FW_MAX_ASID);
        return;
    }
    if (msix_init_exclusive_bar(pci, PSP_NUM_VECTORS, PSP_MSIX_BAR, errp)) {
        return;
    }
    msix_vector_use(pci, 0);
    if (msi_init(pci, 0, PSP_NUM_VECTORS, true, false, errp)) {
        msix_uninit_exclusive_bar(pci);
        return;
    }
    pci_config_set_interrupt_pin(pci->config, 1);
    memory_region_init_io(&psp->mmio, OBJECT(psp), &psp_mmio_ops, psp,
                          TYPE_AMD_PSP, PSP_MMIO_SIZE);
    pci_register_bar(pci, PSP_MMIO_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &psp->mmio);
    psp->timer = timer_new_us(QEMU_CLOCK_VIRTUAL, psp_continue, psp);
    sev_fw_init(&psp->fw);
}

static void psp_exit(PCIDevice *pci)
{
    AmdPsp *psp = AMD_PSP(pci);

    timer_free(psp->timer);
    sev_fw_reset(&psp->fw);
    msi_uninit(pci);
    msix_uninit_exclusive_bar(pci);
}

static void psp_reset(DeviceState *dev)
{
    AmdPsp *psp = AMD_PSP(dev);

    /* Ready for a command */
    timer_del(psp->timer);
    psp->cmdresp = PSP_CMDRESP_RESP;
    psp->cmdbuf_lo = 0;
    psp->cmdbuf_hi = 0;
    psp->int_enable = 0;
    psp->int_status = 0;
    sev_fw_reset(&psp->fw);
}

/* "COMMAND:STATUS:COUNT", see sev_fw_set_inject() */
static void psp_set_inject(Object *obj, const char *value, Error **errp)
{
    AmdPsp *psp = AMD_PSP(obj);
    unsigned id, status, count;
    int end = 0;

    if (sscanf(value, "%i:%i:%i%n", (int *)&id, (int *)&status, (int *)&count,
               &end) != 3 || value[end] ||
        id >= 1U << PSP_CMDRESP_CMD_LENGTH || status > 0xffff) {
        error_setg(errp, "expected COMMAND:STATUS:COUNT, three numbers");
        return;
    }
    sev_fw_set_inject(&psp->fw, id, status, count);
}

static char *psp_get_inject(Object *obj, Error **errp)
{
    SevFw *fw = &AMD_PSP(obj)->fw;

    return g_strdup_printf("0x%x:0x%x:%u", fw->inject_id, fw->inject_status,
                           fw->inject_count);
}

static int psp_post_load(void *opaque, int version_id)
{
    AmdPsp *psp = opaque;

    if (psp_busy(psp)) {
        psp_pause(psp);
    } else {
        timer_del(psp->timer);
    }
    return 0;
}

static const VMStateDescription vmstate_amd_psp = {
    .name = TYPE_AMD_PSP,
    .version_id = 2,
    .minimum_version_id = 2,
    .post_load = psp_post_load,
    .fields = (VMStateField[]) {
        VMSTATE_PCI_DEVICE(parent_obj, AmdPsp),
        VMSTATE_MSIX(parent_obj, AmdPsp),
        VMSTATE_UINT32(cmdresp, AmdPsp),
        VMSTATE_UINT32(cmdbuf_lo, AmdPsp),
        VMSTATE_UINT32(cmdbuf_hi, AmdPsp),
        VMSTATE_UINT32(int_enable, AmdPsp),
        VMSTATE_UINT32(int_status, AmdPsp),
        VMSTATE_STRUCT(fw, AmdPsp, 2, vmstate_sev_fw, SevFw),
        VMSTATE_END_OF_LIST()
    }
};

static const Property psp_properties[] = {
    DEFINE_PROP_LINK("rmp", AmdPsp, fw.rmp, TYPE_SNP_RMP, SnpRmp *),
    DEFINE_PROP_LINK("iommu", AmdPsp, fw.iommu, TYPE_AMD_IOMMU_DEVICE,
                     AMDVIState *),
    DEFINE_PROP_UINT32("max-asid", AmdPsp, fw.max_asid, SNP_MAX_ASID),
};

static void psp_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);

    pc->realize = psp_realize;
    pc->exit = psp_exit;
    pc->vendor_id = PCI_VENDOR_ID_AMD;
    pc->device_id = PSP_PCI_DEVICE_ID;
    pc->class_id = PCI_CLASS_CRYPT_OTHER;
    dc->desc = "AMD security processor";
    device_class_set_legacy_reset(dc, psp_reset);
    dc->vmsd = &vmstate_amd_psp;
    dc->hotpluggable = false;
    device_class_set_props(dc, psp_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);

    object_class_property_add_str(klass, "inject", psp_get_inject,
                                  psp_set_inject);
    object_class_property_set_description(klass, "inject",
        "COMMAND:STATUS:COUNT, let the next COUNT firmware commands COMMAND "
        "fail with STATUS");
}

static const TypeInfo psp_info = {
    .name = TYPE_AMD_PSP,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(AmdPsp),
    .class_init = psp_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { },
    },
};

static void psp_register_types(void)
{
    type_register_static(&psp_info);
}

type_init(psp_register_types)
