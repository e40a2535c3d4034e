/*
 * Firmware of the AMD security processor: dispatch, memory, ASIDs
 *
 * Memory is not encrypted here: what hardware keeps with a guest's key is
 * plain text in RAM.  So DBG_DECRYPT is a copy, and the C-bit of an address
 * says nothing.  All that the documents say about who may do what to which
 * page, and when, holds nevertheless.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/guest-random.h"
#include "qemu/range.h"
#include "qemu/rcu.h"
#include "qemu/uuid.h"
#include "exec/address-spaces.h"
#include "system/system.h"
#include "amd-sev-fw-internal.h"
#include "trace.h"

/* RAM, and not ROM, which takes writes without an effect. */
static bool sev_fw_is_ram(hwaddr pa, uint64_t len)
{
    RCU_READ_LOCK_GUARD();

    while (len) {
        hwaddr xlat, l = len;
        MemoryRegion *mr = address_space_translate(&address_space_memory, pa,
                                                   &xlat, &l, true,
                                                   MEMTXATTRS_UNSPECIFIED);

        if (!memory_region_is_ram(mr) || memory_region_is_rom(mr) ||
            memory_region_is_romd(mr) || !l) {
            return false;
        }
        pa += l;
        len -= l;
    }
    return true;
}

SevStatus sev_fw_check_range(SevFw *fw, uint64_t pa, uint64_t len)
{
    pa &= ~SEV_FW_C_BIT;
    if (!len) {
        return SEV_STATUS_SUCCESS;
    }
    if (pa + len - 1 < pa) {
        return SEV_STATUS_INVALID_ADDRESS;
    }
    if (fw->rmp && snp_rmp_active(fw->rmp) &&
        ranges_overlap(pa, len, fw->rmp->base,
                       fw->rmp->end - fw->rmp->base + 1)) {
        return SEV_STATUS_INVALID_ADDRESS;
    }
    if (fw->es && ranges_overlap(pa, len, fw->tmr_base, fw->tmr_size)) {
        return SEV_STATUS_INVALID_ADDRESS;
    }
    return sev_fw_is_ram(pa, len) ? SEV_STATUS_SUCCESS
                                  : SEV_STATUS_INVALID_ADDRESS;
}

bool sev_fw_is_covered_ram(SevFw *fw, uint64_t pa, uint64_t len)
{
    bool covered;

    snp_rmp_lock(fw->rmp);
    covered = snp_rmp_covers(fw->rmp, pa + len - 1);
    snp_rmp_unlock(fw->rmp);
    return len && covered && !sev_fw_check_range(fw, pa, len);
}

SevStatus sev_fw_check_writable(SevFw *fw, uint64_t pa, uint64_t len)
{
    SevStatus status = sev_fw_check_range(fw, pa, len);
    uint64_t page, end;

    if (status || !len || fw->snp_state == SEV_PLATFORM_UNINIT) {
        return status;
    }
    pa &= ~SEV_FW_C_BIT;
    end = pa + len - 1;
    for (page = pa & ~(SEV_FW_PAGE_SIZE - 1); page <= end;
         page += SEV_FW_PAGE_SIZE) {
        SnpRmpEntry e;
        SnpPageState state = sev_fw_page(fw, page, &e);

        if (state != SNP_PAGE_FIRMWARE && state != SNP_PAGE_DEFAULT) {
            return SEV_STATUS_INVALID_PAGE_STATE;
        }
    }
    return SEV_STATUS_SUCCESS;
}

static SevStatus sev_fw_rw(SevFw *fw, uint64_t pa, void *data, uint64_t len,
                           bool write)
{
    SevStatus status = sev_fw_check_range(fw, pa, len);

    if (!status &&
        address_space_rw(&address_space_memory, pa & ~SEV_FW_C_BIT,
                         MEMTXATTRS_UNSPECIFIED, data, len,
                         write) != MEMTX_OK) {
        status = SEV_STATUS_INVALID_ADDRESS;
    }
    return status;
}

SevStatus sev_fw_read(SevFw *fw, uint64_t pa, void *data, uint64_t len)
{
    return sev_fw_rw(fw, pa, data, len, false);
}

SevStatus sev_fw_write(SevFw *fw, uint64_t pa, const void *data, uint64_t len)
{
    return sev_fw_rw(fw, pa, (void *)data, len, true);
}

SevStatus sev_fw_copy(SevFw *fw, uint64_t dst, uint64_t src, uint64_t len)
{
    uint8_t buf[4096];
    SevStatus status;

    status = sev_fw_check_range(fw, src, len);
    if (!status) {
        status = sev_fw_check_range(fw, dst, len);
    }
    while (!status && len) {
        uint64_t n = MIN(len, sizeof(buf));

        status = sev_fw_read(fw, src, buf, n);
        if (!status) {
            status = sev_fw_write(fw, dst, buf, n);
        }
        src += n;
        dst += n;
        len -= n;
    }
    return status;
}

SnpPageState sev_fw_page_state(const SnpRmpEntry *e)
{
    if (!e->assigned) {
        if (e->validated || e->asid) {
            return SNP_PAGE_INVALID;
        }
        return e->immutable ? SNP_PAGE_HV_FIXED : SNP_PAGE_HYPERVISOR;
    }
    if (e->asid) {
        if (e->immutable) {
            return e->validated ? SNP_PAGE_PRE_SWAP : SNP_PAGE_PRE_GUEST;
        }
        return e->validated ? SNP_PAGE_GUEST_VALID : SNP_PAGE_GUEST_INVALID;
    }
    if (e->validated) {
        return SNP_PAGE_INVALID;
    }
    if (!e->immutable) {
        return SNP_PAGE_RECLAIM;
    }
    if (e->gpa) {
        return SNP_PAGE_METADATA;
    }
    return e->vmsa ? SNP_PAGE_CONTEXT : SNP_PAGE_FIRMWARE;
}

SnpPageState sev_fw_page(SevFw *fw, uint64_t pa, SnpRmpEntry *e)
{
    bool covered;
    int i;

    pa &= ~SEV_FW_C_BIT;
    snp_rmp_lock(fw->rmp);
    covered = snp_rmp_get(fw->rmp, pa, e);
    snp_rmp_unlock(fw->rmp);

    /* The IOMMU's are Firmware pages that no command may use. */
    for (i = 0; i < AMDVI_MAX_BUFFERS; i++) {
        if (pa - fw->iommu_buffers[i].base < fw->iommu_buffers[i].size) {
            return SNP_PAGE_INVALID;
        }
    }
    return covered ? sev_fw_page_state(e) : SNP_PAGE_DEFAULT;
}

void sev_fw_page_put(SevFw *fw, uint64_t pa, const SnpRmpEntry *e)
{
    pa &= ~SEV_FW_C_BIT;
    snp_rmp_lock(fw->rmp);
    snp_rmp_put(fw->rmp, pa, e);
    snp_rmp_unlock(fw->rmp);
    trace_sev_fw_page(pa, sev_fw_page_state(e), e->asid, e->gpa);
}

void sev_fw_asids_reset(SevFw *fw)
{
    memset(fw->asids, SEV_ASID_DIRTY, sizeof(fw->asids));
}

SevStatus sev_fw_asid_activate(SevFw *fw, uint32_t asid, uint32_t own,
                               bool again, bool running)
{
    if (!asid || asid > fw->max_asid) {
        return SEV_STATUS_INVALID_ASID;
    }
    if (!again) {
        if (fw->asids[asid] >= SEV_ASID_ALLOCATED) {
            return SEV_STATUS_ASID_OWNED;
        }
        if (own) {
            return SEV_STATUS_ACTIVE;
        }
    } else if (own) {
        /* More processors for the same ASID: all of them have it already. */
        return own == asid ? SEV_STATUS_SUCCESS : SEV_STATUS_ACTIVE;
    }
    switch (fw->asids[asid]) {
    case SEV_ASID_DIRTY:
        return SEV_STATUS_DFFLUSH_REQUIRED;
    case SEV_ASID_CLEAN:
        break;
    default:
        return SEV_STATUS_ASID_OWNED;
    }
    fw->asids[asid] = running ? SEV_ASID_IN_USE : SEV_ASID_ALLOCATED;
    return SEV_STATUS_SUCCESS;
}

void sev_fw_asid_use(SevFw *fw, uint32_t asid)
{
    if (asid) {
        fw->asids[asid] = SEV_ASID_IN_USE;
    }
}

void sev_fw_asid_release(SevFw *fw, uint32_t asid)
{
    if (asid) {
        /* Nothing is cached for an ASID that no processor ever ran. */
        fw->asids[asid] = fw->asids[asid] == SEV_ASID_IN_USE ?
                          SEV_ASID_DIRTY : SEV_ASID_CLEAN;
    }
}

SevStatus sev_fw_df_flush(SevFw *fw, void *buf)
{
    uint32_t asid;

    if (fw->sev_state == SEV_PLATFORM_UNINIT &&
        fw->snp_state == SEV_PLATFORM_UNINIT) {
        return SEV_STATUS_INVALID_PLATFORM_STATE;
    }
    /* There are no caches, hence no WBINVD is missed (WBINVD_REQUIRED). */
    for (asid = 1; asid <= fw->max_asid; asid++) {
        if (fw->asids[asid] == SEV_ASID_DIRTY) {
            fw->asids[asid] = SEV_ASID_CLEAN;
        }
    }
    return SEV_STATUS_SUCCESS;
}

SevStatus sev_fw_check_apic_ids(SevFw *fw, uint64_t pa, uint32_t count)
{
    uint32_t ids[512], i;
    SevStatus status;

    if (!count || count > ARRAY_SIZE(ids)) {
        return SEV_STATUS_INVALID_PARAM;
    }
    status = sev_fw_read(fw, pa, ids, count * sizeof(ids[0]));
    if (status) {
        return status;
    }
    for (i = 0; i < count; i++) {
        if (!sev_fw_cpu_exists(le32_to_cpu(ids[i]))) {
            return SEV_STATUS_INVALID_PARAM;
        }
    }
    return SEV_STATUS_SUCCESS;
}

void sev_fw_chip_id(SevFw *fw, uint8_t id[64])
{
    /* One machine, one chip. */
    memset(id, 0, 64);
    memcpy(id, &qemu_uuid, sizeof(qemu_uuid));
}

void sev_fw_init(SevFw *fw)
{
    QTAILQ_INIT(&fw->sev_guests);
    QTAILQ_INIT(&fw->snp_guests);
    qemu_guest_getrandom_nofail(fw->chip_secret, sizeof(fw->chip_secret));
}

void sev_fw_reset(SevFw *fw)
{
    sev_fw_sev_drop(fw);
    sev_fw_snp_drop(fw);
    sev_fw_asids_reset(fw);
    fw->sev_state = SEV_PLATFORM_UNINIT;
    fw->snp_state = SEV_PLATFORM_UNINIT;
    fw->rmp_initialized = false;
    memset(fw->iommu_buffers, 0, sizeof(fw->iommu_buffers));
    memset(&fw->work, 0, sizeof(fw->work));
    fw->es = false;
    fw->reported_tcb = SEV_FW_TCB;
    fw->snp_config = 0;
    fw->inject_count = 0;
}

void sev_fw_set_inject(SevFw *fw, uint32_t id, uint32_t status,
                       uint32_t count)
{
    fw->inject_id = id;
    fw->inject_status = status;
    fw->inject_count = count;
}

static const SevFwCommand *sev_fw_find_command(uint32_t id)
{
    const SevFwCommand *cmd = NULL;

    if (id <= SEV_FW_SEV_LAST) {
        cmd = &sev_fw_sev_commands[id - SEV_FW_SEV_FIRST];
    } else if (id <= SEV_FW_SNP_LAST) {
        cmd = &sev_fw_snp_commands[id - SEV_FW_SNP_FIRST];
    }
    return cmd && cmd->handler ? cmd : NULL;
}

/*
 * SNP ABI, "Interaction with Legacy Commands": once SNP is initialized the
 * command buffer of a legacy command that writes to it must be in the Firmware
 * state, and is given back to the hypervisor afterwards.
 */
static void sev_fw_give_back(SevFw *fw, uint64_t buf, uint64_t len)
{
    uint64_t end = buf + len - 1;

    for (buf &= ~(SEV_FW_PAGE_SIZE - 1); buf <= end; buf += SEV_FW_PAGE_SIZE) {
        SnpRmpEntry e;

        if (sev_fw_page(fw, buf, &e) == SNP_PAGE_FIRMWARE && !e.size_2m) {
            e.immutable = false;
            sev_fw_page_put(fw, buf, &e);
        }
    }
}

static SevStatus sev_fw_dispatch(SevFw *fw, const SevFwCommand *cmd,
                                 uint32_t id, uint64_t buf)
{
    uint8_t data[SEV_FW_MAX_BUFFER] = { 0 };
    bool write_back;
    SevStatus status;

    assert(cmd->length <= sizeof(data));
    if (cmd->flags & SEV_FW_CMD_WRITES) {
        status = sev_fw_check_writable(fw, buf, cmd->length);
        if (status) {
            return status;
        }
    }
    /* One copy: the hypervisor cannot change what has been checked. */
    status = sev_fw_read(fw, buf, data, cmd->length);
    if (status) {
        return status;
    }
    write_back = fw->snp_state != SEV_PLATFORM_UNINIT &&
                 (cmd->flags & SEV_FW_CMD_WRITES);

    status = cmd->handler(fw, data);

    if ((cmd->flags & SEV_FW_CMD_WRITES) &&
        (!status || (status == SEV_STATUS_INVALID_LENGTH &&
                     (cmd->flags & SEV_FW_CMD_WRITES_LENGTH)))) {
        sev_fw_write(fw, buf, data, cmd->length);
    }
    if (write_back) {
        sev_fw_give_back(fw, buf & ~SEV_FW_C_BIT, cmd->length);
    }
    return status;
}

SevStatus sev_fw_command(SevFw *fw, uint32_t id, uint64_t buf)
{
    const SevFwCommand *cmd = sev_fw_find_command(id);
    const char *name = cmd ? cmd->name : "unknown";
    SevStatus status;

    trace_sev_fw_command(id, name, buf);
    if (fw->inject_count && fw->inject_id == id) {
        fw->inject_count--;
        status = fw->inject_status;
        trace_sev_fw_inject(id, name, status, fw->inject_count);
    } else if (!cmd) {
        status = SEV_STATUS_INVALID_COMMAND;
    } else {
        status = sev_fw_dispatch(fw, cmd, id, buf);
    }
    trace_sev_fw_status(id, name, status);
    return status;
}

static int sev_fw_pre_load(void *opaque)
{
    SevFw *fw = opaque;

    sev_fw_sev_drop(fw);
    sev_fw_snp_drop(fw);
    return 0;
}

static int sev_fw_post_load(void *opaque, int version_id)
{
    SevFw *fw = opaque;
    SnpGuest *snp;
    int i;

    QTAILQ_FOREACH(snp, &fw->snp_guests, next) {
        if (snp->asid > fw->max_asid) {
            return -EINVAL;
        }
    }
    if (fw->snp_state != SEV_PLATFORM_UNINIT && !fw->rmp) {
        return -EINVAL;
    }
    if (fw->work.checked > fw->work.length ||
        fw->work.done > fw->work.length) {
        return -EINVAL;
    }
    /* The RMP was there before us. */
    for (i = 0; i < AMDVI_MAX_BUFFERS; i++) {
        AMDVIBuffer *b = &fw->iommu_buffers[i];

        if (b->size && (!fw->rmp ||
                        !sev_fw_is_covered_ram(fw, b->base, b->size))) {
            return -EINVAL;
        }
    }
    return 0;
}

static const VMStateDescription vmstate_iommu_buffer = {
    .name = "amd-sev-fw/iommu-buffer",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (VMStateField[]) {
        VMSTATE_UINT64(base, AMDVIBuffer),
        VMSTATE_UINT64(size, AMDVIBuffer),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_work = {
    .name = "amd-sev-fw/work",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (VMStateField[]) {
        VMSTATE_UINT32(handle, SevFwWork),
        VMSTATE_BOOL(copy, SevFwWork),
        VMSTATE_UINT64(src, SevFwWork),
        VMSTATE_UINT64(dst, SevFwWork),
        VMSTATE_UINT32(length, SevFwWork),
        VMSTATE_UINT32(checked, SevFwWork),
        VMSTATE_UINT32(done, SevFwWork),
        VMSTATE_END_OF_LIST()
    }
};

const VMStateDescription vmstate_sev_fw = {
    .name = "amd-sev-fw",
    .version_id = 2,
    .minimum_version_id = 2,
    .pre_load = sev_fw_pre_load,
    .post_load = sev_fw_post_load,
    .fields = (VMStateField[]) {
        VMSTATE_UINT8(sev_state, SevFw),
        VMSTATE_UINT8(snp_state, SevFw),
        VMSTATE_BOOL(rmp_initialized, SevFw),
        VMSTATE_STRUCT_ARRAY(iommu_buffers, SevFw, AMDVI_MAX_BUFFERS, 1,
                             vmstate_iommu_buffer, AMDVIBuffer),
        VMSTATE_BOOL(es, SevFw),
        VMSTATE_UINT64(tmr_base, SevFw),
        VMSTATE_UINT64(tmr_size, SevFw),
        VMSTATE_UINT64(reported_tcb, SevFw),
        VMSTATE_UINT32(snp_config, SevFw),
        VMSTATE_UINT8_ARRAY(asids, SevFw, SEV_FW_MAX_ASID + 1),
        VMSTATE_UINT8_ARRAY(chip_secret, SevFw, 48),
        VMSTATE_STRUCT(work, SevFw, 1, vmstate_work, SevFwWork),
        VMSTATE_QTAILQ_V(sev_guests, SevFw, 1, vmstate_sev_guest, SevGuest,
                         next),
        VMSTATE_QTAILQ_V(snp_guests, SevFw, 1, vmstate_snp_guest, SnpGuest,
                         next),
        VMSTATE_END_OF_LIST()
    }
};
