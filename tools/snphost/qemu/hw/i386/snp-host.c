/*
 * The platform of an AMD SEV-SNP host
 *
 * Firmware of such a machine sets aside the memory of the reverse map table
 * (RMP) before software runs, and the machine has a security processor and
 * an IOMMU that knows SNP.  This is the glue that gives a PC all of it; what
 * the pieces do is elsewhere: snp-rmp.c, amd_iommu.c, hw/misc/amd-psp.c and
 * target/i386.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "cpu.h"
#include "e820_memory_layout.h"
#include "hw/i386/snp-host.h"
#include "hw/i386/snp-rmp.h"
#include "hw/pci/pci.h"
#include "hw/qdev-properties.h"
#include "hw/sysbus.h"
#include "system/qtest.h"
#include "system/tcg.h"

#define TYPE_AMD_PSP    "amd-psp"
#define TYPE_AMD_IOMMU  "amd-iommu"

/*
 * RMP_BASE and RMP_END need only be aligned to 8K.  With 2M nothing else
 * shares a large page with the table, so that no mapping of the kernel has to
 * be split because of it.
 */
#define RMP_ALIGN       (2 * MiB)

static bool snp_host_get(Object *obj, Error **errp)
{
    return PC_MACHINE(obj)->snp_host;
}

static void snp_host_set(Object *obj, bool value, Error **errp)
{
    PC_MACHINE(obj)->snp_host = value;
}

void snp_host_add_property(MachineClass *mc)
{
    ObjectClass *oc = OBJECT_CLASS(mc);

    object_class_property_add_bool(oc, "snp-host", snp_host_get, snp_host_set);
    object_class_property_set_description(oc, "snp-host",
        "Emulate a host with AMD SEV, SEV-ES and SEV-SNP (TCG only)");
}

void snp_host_create_rmp(PCMachineState *pcms)
{
    DeviceState *dev;

    if (!pcms->snp_host) {
        return;
    }
    /* Under qtest no code runs, but devices can be tested. */
    if (!tcg_enabled() && !qtest_enabled()) {
        error_report("snp-host=on needs the TCG accelerator (-accel tcg)");
        exit(EXIT_FAILURE);
    }

    dev = qdev_new(TYPE_SNP_RMP);
    object_property_add_child(OBJECT(pcms), "snp-rmp", OBJECT(dev));
    pcms->rmp = SNP_RMP(dev);
}

void snp_host_plug_cpu(PCMachineState *pcms, DeviceState *dev, Error **errp)
{
    X86CPU *cpu = X86_CPU(dev);
    CPUX86State *env = &cpu->env;

    if (!pcms->rmp) {
        return;
    }
    if (!IS_AMD_CPU(env) ||
        !(env->features[FEAT_8000_0001_ECX] & CPUID_EXT3_SVM) ||
        !(env->features[FEAT_SVM] & CPUID_SVM_NPT)) {
        error_setg(errp, "snp-host=on needs an AMD CPU model with SVM and "
                   "nested paging, for example EPYC-Milan,+svm,+npt");
        return;
    }
    cpu->rmp = pcms->rmp;
}

hwaddr snp_host_reserve_rmp(PCMachineState *pcms)
{
    X86MachineState *x86ms = X86_MACHINE(pcms);
    MachineState *ms = MACHINE(pcms);
    hwaddr top = x86ms->below_4g_mem_size;
    hwaddr covered, size, base, end;

    if (!pcms->rmp) {
        return top;
    }
    if (ms->maxram_size > ms->ram_size) {
        error_report("snp-host=on does not support memory hotplug: "
                     "the RMP would not cover it");
        exit(EXIT_FAILURE);
    }

    /* The table covers everything up to the last byte of RAM, itself too. */
    covered = top;
    if (x86ms->above_4g_mem_size) {
        covered = x86ms->above_4g_mem_start + x86ms->above_4g_mem_size;
    }
    size = SNP_RMP_BOOKKEEPING +
           DIV_ROUND_UP(covered, SNP_RMP_PAGE_SIZE) * SNP_RMP_ENTRY_SIZE;
    size = ROUND_UP(size, RMP_ALIGN);
    end = QEMU_ALIGN_DOWN(top, RMP_ALIGN);

    /* Leave software at least half of the low RAM. */
    if (end < 2 * size || end < 64 * MiB) {
        error_report("snp-host=on: %" PRIu64 " MiB of RAM below 4G are too "
                     "few for an RMP of %" PRIu64 " MiB",
                     top / MiB, size / MiB);
        exit(EXIT_FAILURE);
    }
    base = end - size;

    qdev_prop_set_uint64(DEVICE(pcms->rmp), "base", base);
    qdev_prop_set_uint64(DEVICE(pcms->rmp), "end", end - 1);
    qdev_realize(DEVICE(pcms->rmp), NULL, &error_fatal);
    e820_add_entry(base, top - base, E820_RESERVED);
    return base;
}

void snp_host_create_devices(PCMachineState *pcms)
{
    PCIDevice *psp;
    DeviceState *iommu;

    if (!pcms->rmp) {
        return;
    }

    iommu = qdev_new(TYPE_AMD_IOMMU);
    object_property_set_bool(OBJECT(iommu), "snp", true, &error_fatal);
    sysbus_realize_and_unref(SYS_BUS_DEVICE(iommu), &error_fatal);

    psp = pci_new(-1, TYPE_AMD_PSP);
    object_property_set_link(OBJECT(psp), "rmp", OBJECT(pcms->rmp),
                             &error_fatal);
    object_property_set_link(OBJECT(psp), "iommu", OBJECT(iommu),
                             &error_fatal);
    pci_realize_and_unref(psp, pcms->pcibus, &error_fatal);
}
