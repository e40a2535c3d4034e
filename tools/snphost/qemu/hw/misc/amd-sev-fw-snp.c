/*
 * Firmware of the AMD security processor: the SNP ABI
 *
 * The platform, the states of pages, and SEV-SNP guests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/guest-random.h"
#include "qemu/range.h"
#include "qemu/rcu.h"
#include "qemu/units.h"
#include "exec/address-spaces.h"
#include "amd-sev-fw-internal.h"
#include "trace.h"

/* Addresses of pages have these bits reserved, or for something else. */
#define SNP_PAGE_RESERVED       0xfffULL
#define SNP_RECLAIM_RESERVED    0xffeULL
#define SNP_RECLAIM_2M          0x001ULL

void sev_fw_snp_drop(SevFw *fw)
{
    SnpGuest *guest, *tmp;

    QTAILQ_FOREACH_SAFE(guest, &fw->snp_guests, next, tmp) {
        QTAILQ_REMOVE(&fw->snp_guests, guest, next);
        g_free(guest);
    }
}

SevStatus sev_fw_snp_find(SevFw *fw, uint64_t context, SnpGuest **guest)
{
    SnpRmpEntry e;

    if (context & SNP_PAGE_RESERVED) {
        return SEV_STATUS_INVALID_PARAM;
    }
    if (fw->snp_state != SEV_PLATFORM_INIT) {
        return SEV_STATUS_INVALID_PLATFORM_STATE;
    }
    context &= ~SEV_FW_C_BIT;
    if (sev_fw_page(fw, context, &e) != SNP_PAGE_CONTEXT) {
        return SEV_STATUS_INVALID_GUEST;
    }
    QTAILQ_FOREACH(*guest, &fw->snp_guests, next) {
        if ((*guest)->context == context) {
            return SEV_STATUS_SUCCESS;
        }
    }
    return SEV_STATUS_INVALID_GUEST;
}

/* Platform */

typedef struct SnpInitExBuf {
    uint32_t flags;
    uint32_t reserved1;
    uint64_t list_paddr;
    uint8_t reserved2[48];
} QEMU_PACKED SnpInitExBuf;

#define SNP_INIT_RMP            (1U << 0)
#define SNP_INIT_LIST_EN        (1U << 1)

typedef struct SnpRange {
    uint64_t base;
    uint32_t page_count;
    uint32_t reserved;
} QEMU_PACKED SnpRange;

typedef struct SnpRangeList {
    uint32_t count;
    uint32_t reserved;
    SnpRange ranges[];
} QEMU_PACKED SnpRangeList;

#define SNP_RANGES_MAX  ((SEV_FW_PAGE_SIZE - sizeof(SnpRangeList)) / \
                         sizeof(SnpRange))

static void snp_mark(uint8_t *kinds, uint64_t num, uint64_t pfn,
                     uint64_t count, SnpPageState kind)
{
    if (pfn < num) {
        memset(kinds + pfn, kind, MIN(count, num - pfn));
    }
}

typedef struct SnpKinds {
    uint8_t *kinds;             /* SnpPageState of each page */
    uint64_t num;
} SnpKinds;

static bool snp_mark_ram(Int128 start, Int128 len, const MemoryRegion *mr,
                         hwaddr offset_in_region, void *opaque)
{
    SnpKinds *k = opaque;

    if (mr->ram && !mr->readonly) {
        uint64_t first = int128_get64(start);
        uint64_t end = first + int128_get64(len);

        /* A page that is RAM in part only is not RAM. */
        first = DIV_ROUND_UP(first, SEV_FW_PAGE_SIZE);
        end /= SEV_FW_PAGE_SIZE;
        if (first < end) {
            snp_mark(k->kinds, k->num, first, end - first,
                     SNP_PAGE_HYPERVISOR);
        }
    }
    return false;
}

/* What is not RAM can never be given to a guest. */
static void snp_mark_memory(uint8_t *kinds, uint64_t num)
{
    SnpKinds k = { .kinds = kinds, .num = num };

    snp_mark(kinds, num, 0, num, SNP_PAGE_HV_FIXED);
    RCU_READ_LOCK_GUARD();
    flatview_for_each_range(address_space_to_flatview(&address_space_memory),
                            snp_mark_ram, &k);
}

static SevStatus snp_mark_list(SevFw *fw, uint64_t pa, uint8_t *kinds,
                               uint64_t num)
{
    g_autofree SnpRangeList *list = g_malloc(SEV_FW_PAGE_SIZE);
    uint64_t space = SEV_FW_PAGE_SIZE - (pa & (SEV_FW_PAGE_SIZE - 1));
    uint32_t count, i;
    SevStatus status;

    /* The list does not cross a page. */
    status = space < sizeof(*list) ? SEV_STATUS_INVALID_PARAM :
             sev_fw_read(fw, pa, list, space);
    if (status) {
        return status;
    }
    count = le32_to_cpu(list->count);
    if (list->reserved || count > SNP_RANGES_MAX ||
        sizeof(*list) + count * sizeof(SnpRange) > space) {
        return SEV_STATUS_INVALID_PARAM;
    }
    for (i = 0; i < count; i++) {
        uint64_t base = le64_to_cpu(list->ranges[i].base) & ~SEV_FW_C_BIT;

        if (list->ranges[i].reserved || base & SNP_PAGE_RESERVED) {
            return SEV_STATUS_INVALID_PARAM;
        }
        snp_mark(kinds, num, base / SEV_FW_PAGE_SIZE,
                 le32_to_cpu(list->ranges[i].page_count), SNP_PAGE_HV_FIXED);
    }
    return SEV_STATUS_SUCCESS;
}

/* The IOMMU's buffers, if they are all of RAM that the RMP covers */
static bool snp_get_iommu_buffers(SevFw *fw, AMDVIBuffer *buffers)
{
    int i, n = amdvi_get_buffers(fw->iommu, buffers);

    for (i = 0; i < n; i++) {
        AMDVIBuffer *b = &buffers[i];

        b->base &= ~SEV_FW_C_BIT;
        b->size = ROUND_UP(b->size, SEV_FW_PAGE_SIZE);
        if (!sev_fw_is_covered_ram(fw, b->base, b->size)) {
            return false;
        }
    }
    return true;
}

/*
 * All entries as after a cold boot: RAM to the hypervisor, HV-Fixed what is no
 * RAM or on the list, and to the firmware the RMP itself and what the IOMMU
 * writes to.
 */
static SevStatus snp_init_rmp(SevFw *fw, bool list_en, uint64_t list_paddr)
{
    SnpRmp *rmp = fw->rmp;
    uint64_t num = rmp->num_entries, pfn;
    uint64_t rmp_pfn = rmp->base / SEV_FW_PAGE_SIZE;
    uint64_t rmp_end = rmp->end / SEV_FW_PAGE_SIZE;
    AMDVIBuffer buffers[AMDVI_MAX_BUFFERS] = { 0 };
    g_autofree uint8_t *kinds = NULL;
    SevStatus status;
    int i;

    /* The table has to protect itself. */
    if (rmp_end >= num) {
        return SEV_STATUS_RMP_INITIALIZATION_FAILED;
    }
    if (!snp_get_iommu_buffers(fw, buffers)) {
        return SEV_STATUS_INVALID_CONFIG;
    }
    kinds = g_try_malloc(num);
    if (!kinds) {
        return SEV_STATUS_RESOURCE_LIMIT;
    }
    snp_mark_memory(kinds, num);
    if (list_en) {
        status = snp_mark_list(fw, list_paddr, kinds, num);
        if (status) {
            return status;
        }
    }
    snp_mark(kinds, num, rmp_pfn, rmp_end - rmp_pfn + 1, SNP_PAGE_FIRMWARE);
    for (i = 0; i < AMDVI_MAX_BUFFERS; i++) {
        snp_mark(kinds, num, buffers[i].base / SEV_FW_PAGE_SIZE,
                 buffers[i].size / SEV_FW_PAGE_SIZE, SNP_PAGE_FIRMWARE);
    }

    snp_rmp_lock(rmp);
    snp_rmp_recount(rmp);
    for (pfn = 0; pfn < num; pfn++) {
        SnpRmpEntry old, e = {
            .assigned = kinds[pfn] == SNP_PAGE_FIRMWARE,
            .immutable = kinds[pfn] != SNP_PAGE_HYPERVISOR,
        };

        snp_rmp_get(rmp, pfn * SEV_FW_PAGE_SIZE, &old);
        if (memcmp(&old, &e, sizeof(e))) {
            snp_rmp_put(rmp, pfn * SEV_FW_PAGE_SIZE, &e);
        }
    }
    snp_rmp_unlock(rmp);
    snp_rmp_flush_tlbs(rmp, NULL);
    memcpy(fw->iommu_buffers, buffers, sizeof(buffers));
    return SEV_STATUS_SUCCESS;
}

/* The IOMMU's pages from Firmware to Reclaim, wherever its buffers are now */
static void snp_release_iommu_buffers(SevFw *fw)
{
    static const SnpRmpEntry reclaim = { .assigned = true };
    AMDVIBuffer *b = fw->iommu_buffers;
    uint64_t offset;
    int i;

    for (i = 0; i < AMDVI_MAX_BUFFERS; i++) {
        for (offset = 0; offset < b[i].size; offset += SEV_FW_PAGE_SIZE) {
            sev_fw_page_put(fw, b[i].base + offset, &reclaim);
        }
    }
    memset(b, 0, sizeof(fw->iommu_buffers));
}

static SevStatus snp_do_init(SevFw *fw, bool init_rmp, bool list_en,
                             uint64_t list_paddr)
{
    SevStatus status;

    if (fw->snp_state != SEV_PLATFORM_UNINIT ||
        fw->sev_state != SEV_PLATFORM_UNINIT) {
        return SEV_STATUS_INVALID_PLATFORM_STATE;
    }
    if (!init_rmp && !fw->rmp_initialized) {
        return SEV_STATUS_RMP_INIT_REQUIRED;
    }
    if (list_en && !init_rmp) {
        return SEV_STATUS_INVALID_PARAM;
    }
    /* SYSCFG.SNP_EN, and the rules for RMP_BASE and RMP_END */
    if (!fw->rmp || !snp_rmp_active(fw->rmp) || fw->rmp->base % MiB ||
        (fw->rmp->end + 1) % MiB || !sev_fw_cpus_snp_enabled(fw->rmp)) {
        return SEV_STATUS_INVALID_CONFIG;
    }
    if (!fw->iommu || !fw->iommu->enabled) {
        return SEV_STATUS_HARDWARE_PLATFORM;
    }
    if (init_rmp) {
        if (!sev_fw_cpus_hsave_clear()) {
            return SEV_STATUS_INVALID_CONFIG;
        }
        status = snp_init_rmp(fw, list_en, list_paddr);
        if (status) {
            return status;
        }
    }
    sev_fw_snp_drop(fw);
    sev_fw_asids_reset(fw);
    fw->rmp_initialized = true;
    fw->snp_state = SEV_PLATFORM_INIT;
    return SEV_STATUS_SUCCESS;
}

static SevStatus snp_init(SevFw *fw, void *buf)
{
    return snp_do_init(fw, true, false, 0);
}

static SevStatus snp_init_ex(SevFw *fw, void *buf)
{
    SnpInitExBuf *b = buf;
    uint32_t flags = le32_to_cpu(b->flags);

    if (flags & ~(SNP_INIT_RMP | SNP_INIT_LIST_EN) || b->reserved1 ||
        !buffer_is_zero(b->reserved2, sizeof(b->reserved2))) {
        return SEV_STATUS_INVALID_PARAM;
    }
    return snp_do_init(fw, flags & SNP_INIT_RMP, flags & SNP_INIT_LIST_EN,
                       le64_to_cpu(b->list_paddr));
}

typedef struct SnpShutdownExBuf {
    uint32_t length;
    uint32_t flags;
} QEMU_PACKED SnpShutdownExBuf;

#define SNP_SHUTDOWN_IOMMU      (1U << 0)

static SevStatus snp_do_shutdown(SevFw *fw, const SnpShutdownExBuf *b)
{
    uint32_t asid;

    if (fw->sev_state != SEV_PLATFORM_UNINIT) {
        return SEV_STATUS_INVALID_PLATFORM_STATE;
    }
    if (fw->snp_state == SEV_PLATFORM_UNINIT) {
        return SEV_STATUS_SUCCESS;
    }
    for (asid = 1; asid <= fw->max_asid; asid++) {
        if (fw->asids[asid] != SEV_ASID_CLEAN) {
            return SEV_STATUS_DFFLUSH_REQUIRED;
        }
    }
    if (b && (le32_to_cpu(b->length) != sizeof(*b) ||
              le32_to_cpu(b->flags) & ~SNP_SHUTDOWN_IOMMU)) {
        return SEV_STATUS_INVALID_PARAM;
    }

    if (b && le32_to_cpu(b->flags) & SNP_SHUTDOWN_IOMMU) {
        snp_release_iommu_buffers(fw);
        fw->rmp_initialized = false;
    }
    sev_fw_snp_drop(fw);
    fw->snp_state = SEV_PLATFORM_UNINIT;
    return SEV_STATUS_SUCCESS;
}

static SevStatus snp_shutdown(SevFw *fw, void *buf)
{
    return snp_do_shutdown(fw, NULL);
}

static SevStatus snp_shutdown_ex(SevFw *fw, void *buf)
{
    return snp_do_shutdown(fw, buf);
}

typedef struct SnpAddressBuf {
    uint64_t paddr;
} QEMU_PACKED SnpAddressBuf;

typedef struct SnpPlatformStatus {
    uint8_t api_major;
    uint8_t api_minor;
    uint8_t state;
    uint8_t is_rmp_init;
    uint32_t build;
    uint32_t config;            /* as SNP_CONFIG, VLEK_EN, FEATURE_INFO */
    uint32_t guest_count;
    uint64_t tcb_version;
    uint64_t reported_tcb;
} QEMU_PACKED SnpPlatformStatus;

#define SNP_STATUS_FEATURE_INFO     (1U << 3)

/* Output is never split over pages. */
static bool snp_in_page(uint64_t pa, uint64_t len)
{
    return (pa & (SEV_FW_PAGE_SIZE - 1)) + len <= SEV_FW_PAGE_SIZE;
}

static SevStatus snp_platform_status(SevFw *fw, void *buf)
{
    SnpAddressBuf *b = buf;
    uint64_t pa = le64_to_cpu(b->paddr);
    SnpPlatformStatus s = {
        .api_major = SEV_FW_API_MAJOR,
        .api_minor = SEV_FW_API_MINOR,
        .state = fw->snp_state,
        .is_rmp_init = fw->rmp_initialized,
        .build = cpu_to_le32(SEV_FW_BUILD),
        .config = cpu_to_le32(fw->snp_config | SNP_STATUS_FEATURE_INFO),
        .tcb_version = cpu_to_le64(SEV_FW_TCB),
        .reported_tcb = cpu_to_le64(fw->reported_tcb),
    };
    uint32_t count = 0;
    SnpGuest *guest;
    SevStatus status;

    if (!snp_in_page(pa, sizeof(s))) {
        return SEV_STATUS_INVALID_PARAM;
    }
    status = sev_fw_check_writable(fw, pa, sizeof(s));
    if (status) {
        return status;
    }
    QTAILQ_FOREACH(guest, &fw->snp_guests, next) {
        /* A guest is counted from LAUNCH_START on. */
        count += guest->state != SNP_GUEST_INIT;
    }
    s.guest_count = cpu_to_le32(count);
    return sev_fw_write(fw, pa, &s, sizeof(s));
}

typedef struct SnpConfigBuf {
    uint64_t reported_tcb;
    uint32_t flags;
    uint8_t reserved[52];
} QEMU_PACKED SnpConfigBuf;

/* No part of @tcb is newer than what is installed. */
static bool snp_tcb_ok(uint64_t tcb)
{
    int i;

    for (i = 0; i < 64; i += 8) {
        if (extract64(tcb, i, 8) > extract64(SEV_FW_TCB, i, 8)) {
            return false;
        }
    }
    return true;
}

static SevStatus snp_config(SevFw *fw, void *buf)
{
    SnpConfigBuf *b = buf;
    uint64_t tcb = le64_to_cpu(b->reported_tcb);
    uint32_t flags = le32_to_cpu(b->flags);

    if (flags & ~(SNP_CONFIG_MASK_CHIP_ID | SNP_CONFIG_MASK_CHIP_KEY) ||
        !buffer_is_zero(b->reserved, sizeof(b->reserved)) ||
        !snp_tcb_ok(tcb)) {
        return SEV_STATUS_INVALID_PARAM;
    }
    fw->reported_tcb = tcb ?: SEV_FW_TCB;
    fw->snp_config = flags;
    return SEV_STATUS_SUCCESS;
}

typedef struct SnpCommitBuf {
    uint32_t length;
} QEMU_PACKED SnpCommitBuf;

/* There is one firmware only, and it is committed already. */
static SevStatus snp_commit(SevFw *fw, void *buf)
{
    SnpCommitBuf *b = buf;

    return le32_to_cpu(b->length) == sizeof(*b) ?
           SEV_STATUS_SUCCESS : SEV_STATUS_INVALID_PARAM;
}

typedef struct SnpFeatureInfoBuf {
    uint32_t length;
    uint32_t ecx_in;
    uint64_t paddr;
} QEMU_PACKED SnpFeatureInfoBuf;

static SevStatus snp_feature_info(SevFw *fw, void *buf)
{
    /* Highest subfunction; SEV and SEV-ES commands; nothing optional. */
    uint32_t info[2][4] = {
        { cpu_to_le32(1), cpu_to_le32(1), 0, 0 },
        /* Guest messages: CPUID, key, report */
        { cpu_to_le32(0x7), 0, 0, 0 },
    };
    SnpFeatureInfoBuf *b = buf;
    uint64_t pa = le64_to_cpu(b->paddr);
    uint32_t ecx = le32_to_cpu(b->ecx_in);
    SevStatus status;

    if (le32_to_cpu(b->length) != sizeof(*b)) {
        return SEV_STATUS_INVALID_PARAM;
    }
    if (pa & 3 || !snp_in_page(pa, sizeof(info[0]))) {
        return SEV_STATUS_INVALID_ADDRESS;
    }
    status = sev_fw_check_writable(fw, pa, sizeof(info[0]));
    if (status) {
        return status;
    }
    if (ecx >= ARRAY_SIZE(info)) {
        return SEV_STATUS_INVALID_PARAM;
    }
    return sev_fw_write(fw, pa, info[ecx], sizeof(info[0]));
}

static SevStatus snp_unsupported(SevFw *fw, void *buf)
{
    return SEV_STATUS_UNSUPPORTED;
}

/* Pages */

static SevStatus snp_page_reclaim(SevFw *fw, void *buf)
{
    SnpAddressBuf *b = buf;
    uint64_t pa = le64_to_cpu(b->paddr) & ~SNP_RECLAIM_2M & ~SEV_FW_C_BIT;
    bool size_2m = le64_to_cpu(b->paddr) & SNP_RECLAIM_2M;
    SevStatus status;
    SnpPageState state;
    SnpRmpEntry e;

    if (le64_to_cpu(b->paddr) & SNP_RECLAIM_RESERVED) {
        return SEV_STATUS_INVALID_PARAM;
    }
    if (fw->snp_state != SEV_PLATFORM_INIT) {
        return SEV_STATUS_INVALID_PLATFORM_STATE;
    }
    status = sev_fw_check_range(fw, pa, size_2m ? SNP_RMP_LARGE_SIZE :
                                                  SEV_FW_PAGE_SIZE);
    if (status) {
        return status;
    }
    state = sev_fw_page(fw, pa, &e);
    if (e.size_2m != size_2m) {
        return SEV_STATUS_INVALID_PAGE_SIZE;
    }
    if (size_2m && pa % SNP_RMP_LARGE_SIZE) {
        return SEV_STATUS_INVALID_ADDRESS;
    }

    switch (state) {
    case SNP_PAGE_METADATA:
    case SNP_PAGE_FIRMWARE:
    case SNP_PAGE_PRE_GUEST:
    case SNP_PAGE_PRE_SWAP:
        e.immutable = false;
        sev_fw_page_put(fw, pa, &e);
        return SEV_STATUS_SUCCESS;
    case SNP_PAGE_DEFAULT:
    case SNP_PAGE_HV_FIXED:
    case SNP_PAGE_CONTEXT:
        return SEV_STATUS_INVALID_PAGE_STATE;
    default:
        /* Not immutable: there is nothing to reclaim. */
        return e.immutable ? SEV_STATUS_INVALID_PAGE_STATE :
                             SEV_STATUS_SUCCESS;
    }
}

/* All 512 pages are one run of the same guest's, in the same state. */
static bool snp_can_unsmash(SevFw *fw, uint64_t pa)
{
    SnpRmpEntry first, e;
    uint64_t i;

    sev_fw_page(fw, pa, &first);
    if (first.gpa % SNP_RMP_LARGE_SIZE) {
        return false;
    }
    for (i = 0; i < SNP_RMP_LARGE_PAGES; i++) {
        sev_fw_page(fw, pa + i * SEV_FW_PAGE_SIZE, &e);
        if (e.size_2m || !e.assigned || !e.immutable || e.vmsa || !e.asid ||
            e.asid != first.asid || e.validated != first.validated ||
            e.gpa != first.gpa + i * SEV_FW_PAGE_SIZE ||
            memcmp(e.perms, first.perms, sizeof(e.perms))) {
            return false;
        }
    }
    return true;
}

static SevStatus snp_page_unsmash(SevFw *fw, void *buf)
{
    SnpAddressBuf *b = buf;
    uint64_t pa = le64_to_cpu(b->paddr);
    SevStatus status;
    SnpRmpEntry e;

    pa &= ~SEV_FW_C_BIT;
    if (pa % SNP_RMP_LARGE_SIZE) {
        return SEV_STATUS_INVALID_PARAM;
    }
    if (fw->snp_state != SEV_PLATFORM_INIT) {
        return SEV_STATUS_INVALID_PLATFORM_STATE;
    }
    status = sev_fw_check_range(fw, pa, SNP_RMP_LARGE_SIZE);
    if (status) {
        return status;
    }
    if (!snp_can_unsmash(fw, pa)) {
        return SEV_STATUS_INVALID_PAGE_STATE;
    }
    sev_fw_page(fw, pa, &e);
    e.size_2m = true;
    sev_fw_page_put(fw, pa, &e);
    /* The guest's translations are of the size that the page had. */
    snp_rmp_flush_tlbs(fw->rmp, NULL);
    return SEV_STATUS_SUCCESS;
}

/* Guests */

static SevStatus snp_gctx_create(SevFw *fw, void *buf)
{
    static const uint8_t zero[SEV_FW_PAGE_SIZE];
    SnpAddressBuf *b = buf;
    uint64_t pa = le64_to_cpu(b->paddr);
    SnpGuest *guest;
    SevStatus status;
    SnpRmpEntry e;

    if (pa & SNP_PAGE_RESERVED) {
        return SEV_STATUS_INVALID_PARAM;
    }
    if (fw->snp_state != SEV_PLATFORM_INIT) {
        return SEV_STATUS_INVALID_PLATFORM_STATE;
    }
    pa &= ~SEV_FW_C_BIT;
    if (sev_fw_page(fw, pa, &e) != SNP_PAGE_FIRMWARE) {
        return SEV_STATUS_INVALID_PAGE_STATE;
    }
    if (e.size_2m) {
        return SEV_STATUS_INVALID_PAGE_SIZE;
    }
    /*
     * The page is used up, but the context is kept elsewhere: not being
     * encrypted, it would be open to DMA in it.
     */
    status = sev_fw_write(fw, pa, zero, sizeof(zero));
    if (status) {
        return status;
    }
    e.vmsa = true;
    sev_fw_page_put(fw, pa, &e);

    guest = g_new0(SnpGuest, 1);
    guest->context = pa;
    guest->ma_context = UINT64_MAX;
    guest->launch_tcb = SEV_FW_TCB;
    QTAILQ_INSERT_TAIL(&fw->snp_guests, guest, next);
    return SEV_STATUS_SUCCESS;
}

static SevStatus snp_decommission(SevFw *fw, void *buf)
{
    SnpAddressBuf *b = buf;
    SnpGuest *guest;
    SevStatus status = sev_fw_snp_find(fw, le64_to_cpu(b->paddr), &guest);
    SnpRmpEntry e;

    if (status) {
        return status;
    }
    sev_fw_asid_release(fw, guest->asid);
    sev_fw_page(fw, guest->context, &e);
    e.vmsa = false;
    sev_fw_page_put(fw, guest->context, &e);
    QTAILQ_REMOVE(&fw->snp_guests, guest, next);
    g_free(guest);
    return SEV_STATUS_SUCCESS;
}

typedef struct SnpActivateBuf {
    uint64_t gctx_paddr;
    uint32_t asid;
} QEMU_PACKED SnpActivateBuf;

static bool snp_asid_has_pages(SevFw *fw, uint32_t asid)
{
    bool found;

    snp_rmp_lock(fw->rmp);
    found = snp_rmp_asid_pages(fw->rmp, asid);
    snp_rmp_unlock(fw->rmp);
    return found;
}

static SevStatus snp_do_activate(SevFw *fw, SnpGuest *guest, uint32_t asid,
                                 bool again)
{
    SevStatus status;

    if (guest->state == SNP_GUEST_INIT) {
        return SEV_STATUS_INVALID_GUEST_STATE;
    }
    if (!asid || asid > fw->max_asid) {
        return SEV_STATUS_INVALID_ASID;
    }
    if (!(again && guest->asid == asid) && snp_asid_has_pages(fw, asid)) {
        return SEV_STATUS_INVALID_CONFIG;
    }
    status = sev_fw_asid_activate(fw, asid, guest->asid, again,
                                  guest->state == SNP_GUEST_RUNNING);
    if (!status) {
        guest->asid = asid;
    }
    return status;
}

static SevStatus snp_activate(SevFw *fw, void *buf)
{
    SnpActivateBuf *b = buf;
    SnpGuest *guest;
    SevStatus status = sev_fw_snp_find(fw, le64_to_cpu(b->gctx_paddr), &guest);

    return status ?: snp_do_activate(fw, guest, le32_to_cpu(b->asid), false);
}

typedef struct SnpActivateExBuf {
    uint32_t length;
    uint32_t reserved;
    uint64_t gctx_paddr;
    uint32_t asid;
    uint32_t numids;
    uint64_t ids_paddr;
} QEMU_PACKED SnpActivateExBuf;

static SevStatus snp_activate_ex(SevFw *fw, void *buf)
{
    SnpActivateExBuf *b = buf;
    SnpGuest *guest;
    SevStatus status;

    if (le32_to_cpu(b->length) != sizeof(*b) || b->reserved) {
        return SEV_STATUS_INVALID_PARAM;
    }
    status = sev_fw_snp_find(fw, le64_to_cpu(b->gctx_paddr), &guest);
    if (!status) {
        status = sev_fw_check_apic_ids(fw, le64_to_cpu(b->ids_paddr),
                                       le32_to_cpu(b->numids));
    }
    return status ?: snp_do_activate(fw, guest, le32_to_cpu(b->asid), true);
}

typedef struct SnpGuestStatusBuf {
    uint64_t gctx_paddr;
    uint64_t status_paddr;
} QEMU_PACKED SnpGuestStatusBuf;

typedef struct SnpGuestStatus {
    uint64_t policy;
    uint32_t asid;
    uint8_t state;
    uint8_t reserved1[3];
    uint32_t vcek_dis;
    uint32_t reserved2;
    uint64_t reserved3;
} QEMU_PACKED SnpGuestStatus;

static SevStatus snp_guest_status(SevFw *fw, void *buf)
{
    SnpGuestStatusBuf *b = buf;
    uint64_t pa = le64_to_cpu(b->status_paddr);
    SnpGuestStatus s = { 0 };
    SnpGuest *guest;
    SevStatus status;

    if (!snp_in_page(pa, sizeof(s))) {
        return SEV_STATUS_INVALID_PARAM;
    }
    status = sev_fw_snp_find(fw, le64_to_cpu(b->gctx_paddr), &guest);
    if (!status) {
        status = sev_fw_check_writable(fw, pa, sizeof(s));
    }
    if (status) {
        return status;
    }
    s.policy = cpu_to_le64(guest->policy);
    s.asid = cpu_to_le32(guest->asid);
    s.state = guest->state;
    s.vcek_dis = cpu_to_le32(guest->vcek_dis);
    return sev_fw_write(fw, pa, &s, sizeof(s));
}

/* Launch */

typedef struct SnpLaunchStartBuf {
    uint64_t gctx_paddr;
    uint64_t policy;
    uint64_t ma_gctx_paddr;
    uint32_t flags;
    uint32_t desired_tsc_khz;
    uint8_t gosvw[16];
} QEMU_PACKED SnpLaunchStartBuf;

#define SNP_START_MA_EN         (1U << 0)
#define SNP_START_IMI_EN        (1U << 1)

static bool snp_policy_ok(uint64_t policy, const SnpGuest *ma)
{
    uint8_t major = extract64(policy, 8, 8), minor = extract64(policy, 0, 8);

    if (policy & SNP_POLICY_RESERVED || !(policy & SNP_POLICY_MUST_BE_ONE) ||
        major > SEV_FW_API_MAJOR ||
        (major == SEV_FW_API_MAJOR && minor > SEV_FW_API_MINOR)) {
        return false;
    }
    /* A migration agent cannot have one itself. */
    if (ma && (!(policy & SNP_POLICY_MIGRATE_MA) ||
               ma->ma_context != UINT64_MAX ||
               (policy & SNP_POLICY_SINGLE_SOCKET &&
                !(ma->policy & SNP_POLICY_SINGLE_SOCKET)))) {
        return false;
    }
    return true;
}

static SevStatus snp_launch_start(SevFw *fw, void *buf)
{
    SnpLaunchStartBuf *b = buf;
    uint32_t flags = le32_to_cpu(b->flags);
    SnpGuest *guest, *ma = NULL;
    SevStatus status;

    if (flags & ~(SNP_START_MA_EN | SNP_START_IMI_EN) ||
        le64_to_cpu(b->ma_gctx_paddr) & SNP_PAGE_RESERVED) {
        return SEV_STATUS_INVALID_PARAM;
    }
    status = sev_fw_snp_find(fw, le64_to_cpu(b->gctx_paddr), &guest);
    if (status) {
        return status;
    }
    if (guest->state != SNP_GUEST_INIT) {
        return SEV_STATUS_INVALID_GUEST_STATE;
    }
    if (flags & SNP_START_MA_EN) {
        status = sev_fw_snp_find(fw, le64_to_cpu(b->ma_gctx_paddr), &ma);
        if (status) {
            return status;
        }
    }
    if (!snp_policy_ok(le64_to_cpu(b->policy), ma)) {
        return SEV_STATUS_POLICY_FAILURE;
    }

    guest->policy = le64_to_cpu(b->policy);
    qemu_guest_getrandom_nofail(guest->vmpck, sizeof(guest->vmpck));
    qemu_guest_getrandom_nofail(guest->vmrk, sizeof(guest->vmrk));
    qemu_guest_getrandom_nofail(guest->report_id, sizeof(guest->report_id));
    if (ma) {
        guest->ma_context = ma->context;
        memcpy(guest->report_id_ma, ma->report_id, sizeof(ma->report_id));
    } else {
        memset(guest->report_id_ma, 0xff, sizeof(guest->report_id_ma));
    }
    guest->imi_en = flags & SNP_START_IMI_EN;
    guest->tsc_khz = le32_to_cpu(b->desired_tsc_khz);
    memcpy(guest->gosvw, b->gosvw, sizeof(guest->gosvw));
    guest->state = SNP_GUEST_LAUNCH;
    return SEV_STATUS_SUCCESS;
}

typedef struct SnpLaunchUpdateBuf {
    uint64_t gctx_paddr;
    uint32_t flags;
    uint32_t reserved1;
    uint64_t page_paddr;
    uint8_t reserved2;
    uint8_t vmpl_perms[3];      /* of VMPL1 to VMPL3 */
    uint32_t reserved3;
} QEMU_PACKED SnpLaunchUpdateBuf;

#define SNP_UPDATE_2M           (1U << 0)
#define SNP_UPDATE_TYPE_SHIFT   1
#define SNP_UPDATE_TYPE_LENGTH  3
#define SNP_UPDATE_IMI          (1U << 4)
#define SNP_UPDATE_RESERVED     (~0x1fU)

typedef enum SnpPageType {
    SNP_TYPE_NORMAL = 1,
    SNP_TYPE_VMSA,
    SNP_TYPE_ZERO,
    SNP_TYPE_UNMEASURED,
    SNP_TYPE_SECRETS,
    SNP_TYPE_CPUID,
} SnpPageType;

/* SNP ABI, PAGE_INFO: what the launch digest is made of */
typedef struct SnpPageInfo {
    uint8_t digest_cur[SEV_SHA384_SIZE];
    uint8_t contents[SEV_SHA384_SIZE];
    uint16_t length;
    uint8_t page_type;
    uint8_t imi_page;
    uint8_t reserved;
    uint8_t vmpl_perms[3];
    uint64_t gpa;
} QEMU_PACKED SnpPageInfo;

QEMU_BUILD_BUG_ON(sizeof(SnpPageInfo) != 0x70);

/* SNP ABI, secrets page */
typedef struct SnpSecretsPage {
    uint32_t version;
    uint32_t flags;             /* IMI_EN is bit 0 */
    uint32_t fms;
    uint32_t reserved1;
    uint8_t gosvw[16];
    uint8_t vmpck[SNP_NUM_VMPCKS][SNP_VMPCK_SIZE];
    uint8_t guest_area1[96];
    uint8_t vmsa_tweak_bitmap[64];
    uint8_t guest_area2[32];
    uint32_t tsc_factor;
    uint8_t reserved2[4096 - 0x164];
} QEMU_PACKED SnpSecretsPage;

QEMU_BUILD_BUG_ON(sizeof(SnpSecretsPage) != 4096);

#define SNP_SECRETS_VERSION     3

/* SNP ABI, CPUID page */
typedef struct SnpCpuidPage {
    uint32_t count;
    uint32_t reserved1;
    uint64_t reserved2;
    SnpCpuidFunction functions[SNP_CPUID_COUNT_MAX];
} QEMU_PACKED SnpCpuidPage;

QEMU_BUILD_BUG_ON(sizeof(SnpCpuidPage) > 4096);

/* Fields of a VMSA that are not measured, as the hypervisor chooses them. */
#define SNP_VMSA_GUEST_TSC_SCALE    0x2f0
#define SNP_VMSA_GUEST_TSC_OFFSET   0x2f8

static SevStatus snp_check_cpuid_page(SnpCpuidPage *page)
{
    uint32_t count = le32_to_cpu(page->count), i;
    bool ok = true;

    if (page->reserved1 || page->reserved2 || count > SNP_CPUID_COUNT_MAX) {
        return SEV_STATUS_INVALID_PARAM;
    }
    for (i = 0; i < count; i++) {
        ok &= sev_fw_check_cpuid(&page->functions[i]);
    }
    return ok ? SEV_STATUS_SUCCESS : SEV_STATUS_INVALID_PARAM;
}

static void snp_make_secrets(const SnpGuest *guest, SnpSecretsPage *page)
{
    memset(page, 0, sizeof(*page));
    page->version = cpu_to_le32(SNP_SECRETS_VERSION);
    page->flags = cpu_to_le32(guest->imi_en);
    page->fms = cpu_to_le32(sev_fw_cpu_signature());
    memcpy(page->gosvw, guest->gosvw, sizeof(page->gosvw));
    memcpy(page->vmpck, guest->vmpck, sizeof(page->vmpck));
}

/* The digest of what a page holds, and the page as the guest will see it. */
static SevStatus snp_make_page(const SnpGuest *guest, SnpPageType type,
                               uint8_t data[4096], uint8_t *contents)
{
    uint64_t tsc[2];

    QEMU_BUILD_BUG_ON(SNP_VMSA_GUEST_TSC_OFFSET !=
                      SNP_VMSA_GUEST_TSC_SCALE + sizeof(tsc[0]));
    memset(contents, 0, SEV_SHA384_SIZE);
    switch (type) {
    case SNP_TYPE_NORMAL:
        sev_sha384(data, 4096, contents);
        break;
    case SNP_TYPE_VMSA:
        memcpy(tsc, data + SNP_VMSA_GUEST_TSC_SCALE, sizeof(tsc));
        memset(data + SNP_VMSA_GUEST_TSC_SCALE, 0, sizeof(tsc));
        sev_sha384(data, 4096, contents);
        memcpy(data + SNP_VMSA_GUEST_TSC_SCALE, tsc, sizeof(tsc));
        break;
    case SNP_TYPE_ZERO:
        memset(data, 0, 4096);
        break;
    case SNP_TYPE_SECRETS:
        snp_make_secrets(guest, (SnpSecretsPage *)data);
        break;
    case SNP_TYPE_CPUID:
        return snp_check_cpuid_page((SnpCpuidPage *)data);
    case SNP_TYPE_UNMEASURED:
        break;
    }
    return SEV_STATUS_SUCCESS;
}

static SevStatus snp_update_page(SevFw *fw, SnpGuest *guest, uint64_t pa,
                                 SnpPageType type, SnpPageInfo *info)
{
    uint8_t data[4096];
    SevStatus status = sev_fw_read(fw, pa, data, sizeof(data));

    if (status) {
        return status;
    }
    status = snp_make_page(guest, type, data, info->contents);
    if (status) {
        /* Tells the hypervisor which CPUID values would have been right. */
        sev_fw_write(fw, pa, data, sizeof(data));
        return status;
    }
    status = sev_fw_write(fw, pa, data, sizeof(data));
    if (status) {
        return status;
    }

    memcpy(info->digest_cur, guest->ld, sizeof(guest->ld));
    sev_sha384(info, sizeof(*info), guest->ld);
    if (info->imi_page) {
        memcpy(info->digest_cur, guest->imd, sizeof(guest->imd));
        sev_sha384(info, sizeof(*info), guest->imd);
    }
    return SEV_STATUS_SUCCESS;
}

static SevStatus snp_launch_update(SevFw *fw, void *buf)
{
    SnpLaunchUpdateBuf *b = buf;
    uint32_t flags = le32_to_cpu(b->flags);
    SnpPageType type = extract32(flags, SNP_UPDATE_TYPE_SHIFT,
                                 SNP_UPDATE_TYPE_LENGTH);
    uint64_t pa = le64_to_cpu(b->page_paddr), size, i;
    SnpPageInfo info = {
        .length = cpu_to_le16(sizeof(info)),
        .page_type = type,
        .imi_page = !!(flags & SNP_UPDATE_IMI),
    };
    SnpGuest *guest;
    SevStatus status;
    SnpRmpEntry e;

    if (pa & SNP_PAGE_RESERVED || flags & SNP_UPDATE_RESERVED ||
        b->reserved1 || b->reserved2 || b->reserved3) {
        return SEV_STATUS_INVALID_PARAM;
    }
    status = sev_fw_snp_find(fw, le64_to_cpu(b->gctx_paddr), &guest);
    if (status) {
        return status;
    }
    pa &= ~SEV_FW_C_BIT;
    if (sev_fw_page(fw, pa, &e) != SNP_PAGE_PRE_GUEST) {
        return SEV_STATUS_INVALID_PAGE_STATE;
    }
    if (e.size_2m != !!(flags & SNP_UPDATE_2M)) {
        return SEV_STATUS_INVALID_PAGE_SIZE;
    }
    if (e.size_2m && pa % SNP_RMP_LARGE_SIZE) {
        return SEV_STATUS_INVALID_ADDRESS;
    }
    switch (type) {
    case SNP_TYPE_NORMAL:
    case SNP_TYPE_ZERO:
    case SNP_TYPE_UNMEASURED:
        break;
    case SNP_TYPE_VMSA:
    case SNP_TYPE_SECRETS:
    case SNP_TYPE_CPUID:
        if (e.size_2m) {
            return SEV_STATUS_INVALID_PAGE_SIZE;
        }
        break;
    default:
        return SEV_STATUS_INVALID_PARAM;
    }
    if (guest->state != SNP_GUEST_LAUNCH) {
        return SEV_STATUS_INVALID_GUEST_STATE;
    }
    if (!guest->asid) {
        return SEV_STATUS_INACTIVE;
    }
    if (e.asid != guest->asid) {
        return SEV_STATUS_INVALID_PAGE_OWNER;
    }
    if (guest->imi_en && !info.imi_page) {
        return SEV_STATUS_INVALID_PARAM;
    }
    size = e.size_2m ? SNP_RMP_LARGE_SIZE : SEV_FW_PAGE_SIZE;
    status = sev_fw_check_range(fw, pa, size);

    memcpy(info.vmpl_perms, b->vmpl_perms, sizeof(info.vmpl_perms));
    for (i = 0; !status && i < size; i += SEV_FW_PAGE_SIZE) {
        info.gpa = cpu_to_le64(e.gpa + i);
        status = snp_update_page(fw, guest, pa + i, type, &info);
    }
    if (status) {
        return status;
    }

    /* Pre-Guest to Guest-Valid */
    e.immutable = false;
    e.validated = true;
    e.vmsa = type == SNP_TYPE_VMSA;
    for (i = 0; i < ARRAY_SIZE(b->vmpl_perms); i++) {
        e.perms[i + 1] = b->vmpl_perms[i];
    }
    sev_fw_page_put(fw, pa, &e);
    return SEV_STATUS_SUCCESS;
}

typedef struct SnpLaunchFinishBuf {
    uint64_t gctx_paddr;
    uint64_t id_block_paddr;
    uint64_t id_auth_paddr;
    uint64_t flags;
    uint8_t host_data[32];
} QEMU_PACKED SnpLaunchFinishBuf;

#define SNP_FINISH_ID_BLOCK_EN  (1U << 0)
#define SNP_FINISH_AUTH_KEY_EN  (1U << 1)
#define SNP_FINISH_VCEK_DIS     (1U << 2)
#define SNP_FINISH_RESERVED     (~7ULL)

static SevStatus snp_check_id_block(SevFw *fw, const SnpGuest *guest,
                                    uint64_t pa)
{
    SnpIdBlock id;
    SevStatus status = sev_fw_read(fw, pa, &id, sizeof(id));

    if (status) {
        return status;
    }
    if (memcmp(id.ld, guest->ld, sizeof(guest->ld))) {
        return SEV_STATUS_BAD_MEASUREMENT;
    }
    if (le64_to_cpu(id.policy) != guest->policy) {
        return SEV_STATUS_POLICY_FAILURE;
    }
    /* Nothing here can check a signature, so none is believed. */
    return SEV_STATUS_UNSUPPORTED;
}

static SevStatus snp_launch_finish(SevFw *fw, void *buf)
{
    SnpLaunchFinishBuf *b = buf;
    uint64_t flags = le64_to_cpu(b->flags);
    SnpGuest *guest;
    SevStatus status;

    if (flags & SNP_FINISH_RESERVED) {
        return SEV_STATUS_INVALID_PARAM;
    }
    status = sev_fw_snp_find(fw, le64_to_cpu(b->gctx_paddr), &guest);
    if (status) {
        return status;
    }
    if (guest->state != SNP_GUEST_LAUNCH || guest->imi_en) {
        return SEV_STATUS_INVALID_GUEST_STATE;
    }
    if (!guest->asid) {
        return SEV_STATUS_INACTIVE;
    }
    if (flags & SNP_FINISH_ID_BLOCK_EN) {
        status = snp_check_id_block(fw, guest, le64_to_cpu(b->id_block_paddr));
        if (status) {
            return status;
        }
    }
    memcpy(guest->host_data, b->host_data, sizeof(guest->host_data));
    guest->vcek_dis = flags & SNP_FINISH_VCEK_DIS;
    sev_fw_asid_use(fw, guest->asid);
    guest->state = SNP_GUEST_RUNNING;
    return SEV_STATUS_SUCCESS;
}

/* Debugging */

typedef struct SnpDbgBuf {
    uint64_t gctx_paddr;
    uint64_t src_paddr;
    uint64_t dst_paddr;
} QEMU_PACKED SnpDbgBuf;

static SevStatus snp_dbg_check(SnpGuest *guest, const SnpRmpEntry *e)
{
    if (e->asid != guest->asid) {
        return SEV_STATUS_INVALID_PAGE_OWNER;
    }
    if (!(guest->policy & SNP_POLICY_DEBUG)) {
        return SEV_STATUS_POLICY_FAILURE;
    }
    return guest->asid ? SEV_STATUS_SUCCESS : SEV_STATUS_INACTIVE;
}

static SevStatus snp_dbg_find(SevFw *fw, const SnpDbgBuf *b, SnpGuest **guest)
{
    if ((le64_to_cpu(b->src_paddr) | le64_to_cpu(b->dst_paddr)) &
        SNP_PAGE_RESERVED) {
        return SEV_STATUS_INVALID_PARAM;
    }
    return sev_fw_snp_find(fw, le64_to_cpu(b->gctx_paddr), guest);
}

static SevStatus snp_dbg_decrypt(SevFw *fw, void *buf)
{
    SnpDbgBuf *b = buf;
    uint64_t src = le64_to_cpu(b->src_paddr), dst = le64_to_cpu(b->dst_paddr);
    SnpGuest *guest;
    SevStatus status = snp_dbg_find(fw, b, &guest);
    SnpRmpEntry e, dst_e;

    if (status) {
        return status;
    }
    switch (sev_fw_page(fw, src, &e)) {
    case SNP_PAGE_PRE_GUEST:
    case SNP_PAGE_PRE_SWAP:
    case SNP_PAGE_GUEST_INVALID:
    case SNP_PAGE_GUEST_VALID:
        break;
    default:
        return SEV_STATUS_INVALID_PAGE_STATE;
    }
    if (sev_fw_page(fw, dst, &dst_e) != SNP_PAGE_FIRMWARE) {
        return SEV_STATUS_INVALID_PAGE_STATE;
    }
    status = snp_dbg_check(guest, &e);
    return status ?: sev_fw_copy(fw, dst, src, SEV_FW_PAGE_SIZE);
}

static SevStatus snp_dbg_encrypt(SevFw *fw, void *buf)
{
    SnpDbgBuf *b = buf;
    uint64_t src = le64_to_cpu(b->src_paddr), dst = le64_to_cpu(b->dst_paddr);
    SnpGuest *guest;
    SevStatus status = snp_dbg_find(fw, b, &guest);
    SnpRmpEntry e;

    if (status) {
        return status;
    }
    switch (sev_fw_page(fw, dst, &e)) {
    case SNP_PAGE_PRE_GUEST:
    case SNP_PAGE_PRE_SWAP:
        break;
    default:
        return SEV_STATUS_INVALID_PAGE_STATE;
    }
    status = snp_dbg_check(guest, &e);
    return status ?: sev_fw_copy(fw, dst, src, SEV_FW_PAGE_SIZE);
}

#define CMD(_id, _name, _handler, _type)                        \
    [_id - SEV_FW_SNP_FIRST] = {                                \
        .name = "SNP_" _name, .handler = _handler, .length = sizeof(_type) \
    }
#define CMD_NO_BUF(_id, _name, _handler)                        \
    [_id - SEV_FW_SNP_FIRST] = {                                \
        .name = "SNP_" _name, .handler = _handler               \
    }

const SevFwCommand
sev_fw_snp_commands[SEV_FW_SNP_LAST - SEV_FW_SNP_FIRST + 1] = {
    CMD_NO_BUF(0x81, "INIT", snp_init),
    CMD_NO_BUF(0x82, "SHUTDOWN", snp_shutdown),
    CMD(0x83, "PLATFORM_STATUS", snp_platform_status, SnpAddressBuf),
    CMD_NO_BUF(0x84, "DF_FLUSH", sev_fw_df_flush),
    CMD(0x85, "INIT_EX", snp_init_ex, SnpInitExBuf),
    CMD(0x86, "SHUTDOWN_EX", snp_shutdown_ex, SnpShutdownExBuf),
    CMD(0x90, "DECOMMISSION", snp_decommission, SnpAddressBuf),
    CMD(0x91, "ACTIVATE", snp_activate, SnpActivateBuf),
    CMD(0x92, "GUEST_STATUS", snp_guest_status, SnpGuestStatusBuf),
    CMD(0x93, "GCTX_CREATE", snp_gctx_create, SnpAddressBuf),
    CMD(0x94, "GUEST_REQUEST", sev_fw_guest_request, SnpGuestRequestBuf),
    CMD(0x95, "ACTIVATE_EX", snp_activate_ex, SnpActivateExBuf),
    CMD(0xa0, "LAUNCH_START", snp_launch_start, SnpLaunchStartBuf),
    CMD(0xa1, "LAUNCH_UPDATE", snp_launch_update, SnpLaunchUpdateBuf),
    CMD(0xa2, "LAUNCH_FINISH", snp_launch_finish, SnpLaunchFinishBuf),
    CMD(0xb0, "DBG_DECRYPT", snp_dbg_decrypt, SnpDbgBuf),
    CMD(0xb1, "DBG_ENCRYPT", snp_dbg_encrypt, SnpDbgBuf),
    CMD_NO_BUF(0xc0, "PAGE_SWAP_OUT", snp_unsupported),
    CMD_NO_BUF(0xc1, "PAGE_SWAP_IN", snp_unsupported),
    CMD_NO_BUF(0xc2, "PAGE_MOVE", snp_unsupported),
    CMD_NO_BUF(0xc3, "PAGE_MD_INIT", snp_unsupported),
    CMD_NO_BUF(0xc6, "PAGE_SET_STATE", snp_unsupported),
    CMD(0xc7, "PAGE_RECLAIM", snp_page_reclaim, SnpAddressBuf),
    CMD(0xc8, "PAGE_UNSMASH", snp_page_unsmash, SnpAddressBuf),
    CMD(0xc9, "CONFIG", snp_config, SnpConfigBuf),
    CMD_NO_BUF(0xca, "DOWNLOAD_FIRMWARE_EX", snp_unsupported),
    CMD(0xcb, "COMMIT", snp_commit, SnpCommitBuf),
    CMD_NO_BUF(0xcd, "VLEK_LOAD", snp_unsupported),
    CMD(0xce, "FEATURE_INFO", snp_feature_info, SnpFeatureInfoBuf),
};

static int snp_guest_post_load(void *opaque, int version_id)
{
    SnpGuest *guest = opaque;

    return guest->asid > SEV_FW_MAX_ASID ? -EINVAL : 0;
}

const VMStateDescription vmstate_snp_guest = {
    .name = "amd-sev-fw/snp-guest",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = snp_guest_post_load,
    .fields = (VMStateField[]) {
        VMSTATE_UINT64(context, SnpGuest),
        VMSTATE_UINT8(state, SnpGuest),
        VMSTATE_UINT32(asid, SnpGuest),
        VMSTATE_UINT64(policy, SnpGuest),
        VMSTATE_UINT64(ma_context, SnpGuest),
        VMSTATE_UINT8_ARRAY(ld, SnpGuest, 48),
        VMSTATE_UINT8_ARRAY(imd, SnpGuest, 48),
        VMSTATE_BOOL(imi_en, SnpGuest),
        VMSTATE_BOOL(id_block_en, SnpGuest),
        VMSTATE_BOOL(author_key_en, SnpGuest),
        VMSTATE_BOOL(vcek_dis, SnpGuest),
        VMSTATE_UINT8_2DARRAY(vmpck, SnpGuest, SNP_NUM_VMPCKS, SNP_VMPCK_SIZE),
        VMSTATE_UINT64_ARRAY(msg_count, SnpGuest, SNP_NUM_VMPCKS),
        VMSTATE_UINT8_ARRAY(vmrk, SnpGuest, 32),
        VMSTATE_UINT8_ARRAY(host_data, SnpGuest, 32),
        VMSTATE_UINT8_ARRAY(id_block, SnpGuest, sizeof(SnpIdBlock)),
        VMSTATE_UINT8_ARRAY(id_key_digest, SnpGuest, 48),
        VMSTATE_UINT8_ARRAY(author_key_digest, SnpGuest, 48),
        VMSTATE_UINT8_ARRAY(report_id, SnpGuest, 32),
        VMSTATE_UINT8_ARRAY(report_id_ma, SnpGuest, 32),
        VMSTATE_UINT8_ARRAY(gosvw, SnpGuest, 16),
        VMSTATE_UINT32(tsc_khz, SnpGuest),
        VMSTATE_UINT64(launch_tcb, SnpGuest),
        VMSTATE_END_OF_LIST()
    }
};
