/*
 * AMD SEV-SNP reverse map table (RMP)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "exec/address-spaces.h"
#include "exec/cputlb.h"
#include "exec/exec-all.h"
#include "hw/i386/snp-rmp.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "system/reset.h"
#include "trace.h"

/*
 * Entry format.  The low quadword is that of family 19h processors, because
 * kernels read it; the manual calls it implementation specific.  The high
 * quadword is our own.
 */
#define RMP_LO_ASSIGNED         BIT_ULL(0)
#define RMP_LO_2M               BIT_ULL(1)
#define RMP_LO_IMMUTABLE        BIT_ULL(2)
#define RMP_LO_GPA              MAKE_64BIT_MASK(12, 39)
#define RMP_LO_ASID_SHIFT       51
#define RMP_LO_ASID_LENGTH      10
#define RMP_LO_VMSA             BIT_ULL(61)
#define RMP_LO_VALIDATED        BIT_ULL(62)

QEMU_BUILD_BUG_ON(SNP_RMP_ASIDS != 1 << RMP_LO_ASID_LENGTH);

#define RMP_HI_PERMS_LENGTH     8
#define RMP_HI_IN_USE_SHIFT     48
#define RMP_HI_IN_USE_LENGTH    16

void snp_rmp_lock(SnpRmp *rmp)
{
    qemu_mutex_lock(&rmp->lock);
}

void snp_rmp_unlock(SnpRmp *rmp)
{
    qemu_mutex_unlock(&rmp->lock);
}

bool snp_rmp_active(SnpRmp *rmp)
{
    return qatomic_load_acquire(&rmp->active);
}

bool snp_rmp_covers(SnpRmp *rmp, hwaddr spa)
{
    return rmp->active && spa / SNP_RMP_PAGE_SIZE < rmp->num_entries;
}

static uint32_t rmp_lo_asid(uint64_t lo)
{
    return extract64(lo, RMP_LO_ASID_SHIFT, RMP_LO_ASID_LENGTH);
}

bool snp_rmp_get(SnpRmp *rmp, hwaddr spa, SnpRmpEntry *e)
{
    const uint8_t *p;
    uint64_t lo, hi;
    int i;

    memset(e, 0, sizeof(*e));
    if (!snp_rmp_covers(rmp, spa)) {
        return false;
    }

    p = rmp->table + spa / SNP_RMP_PAGE_SIZE * SNP_RMP_ENTRY_SIZE;
    lo = ldq_le_p(p);
    hi = ldq_le_p(p + 8);

    e->assigned = lo & RMP_LO_ASSIGNED;
    e->size_2m = lo & RMP_LO_2M;
    e->immutable = lo & RMP_LO_IMMUTABLE;
    e->gpa = lo & RMP_LO_GPA;
    e->asid = rmp_lo_asid(lo);
    e->vmsa = lo & RMP_LO_VMSA;
    e->validated = lo & RMP_LO_VALIDATED;
    for (i = 0; i < SNP_NUM_VMPLS; i++) {
        e->perms[i] = extract64(hi, i * RMP_HI_PERMS_LENGTH,
                                RMP_HI_PERMS_LENGTH);
    }
    e->in_use = extract64(hi, RMP_HI_IN_USE_SHIFT, RMP_HI_IN_USE_LENGTH);
    return true;
}

uint32_t snp_rmp_asid_pages(SnpRmp *rmp, uint32_t asid)
{
    return rmp->asid_pages[asid];
}

void snp_rmp_recount(SnpRmp *rmp)
{
    uint64_t pfn = 0;

    memset(rmp->asid_pages, 0, sizeof(rmp->asid_pages));
    while (pfn < rmp->num_entries) {
        uint64_t large = pfn / SNP_RMP_LARGE_PAGES, n, i;
        uint16_t assigned = 0;

        n = MIN(rmp->num_entries - pfn, SNP_RMP_LARGE_PAGES);
        for (i = 0; i < n; i++, pfn++) {
            uint64_t lo = ldq_le_p(rmp->table + pfn * SNP_RMP_ENTRY_SIZE);

            if (lo & RMP_LO_ASSIGNED) {
                assigned++;
                rmp->asid_pages[rmp_lo_asid(lo)]++;
            }
        }
        qatomic_set(&rmp->assigned_2m[large], assigned);
    }
}

void snp_rmp_put(SnpRmp *rmp, hwaddr spa, const SnpRmpEntry *e)
{
    uint64_t pages = e->size_2m ? SNP_RMP_LARGE_PAGES : 1;
    /*
     * Who writes to the table behind our back can say 2M anywhere.  There is
     * a whole number of 2M pages: RMP_BASE and RMP_END are aligned to 8K.
     */
    uint64_t pfn = QEMU_ALIGN_DOWN(spa / SNP_RMP_PAGE_SIZE, pages);
    uint64_t lo = 0, hi = 0, i;

    assert(rmp->active && pfn + pages <= rmp->num_entries);

    lo |= e->assigned ? RMP_LO_ASSIGNED : 0;
    lo |= e->size_2m ? RMP_LO_2M : 0;
    lo |= e->immutable ? RMP_LO_IMMUTABLE : 0;
    lo |= e->vmsa ? RMP_LO_VMSA : 0;
    lo |= e->validated ? RMP_LO_VALIDATED : 0;
    lo = deposit64(lo, RMP_LO_ASID_SHIFT, RMP_LO_ASID_LENGTH, e->asid);
    for (i = 0; i < SNP_NUM_VMPLS; i++) {
        hi = deposit64(hi, i * RMP_HI_PERMS_LENGTH, RMP_HI_PERMS_LENGTH,
                       e->perms[i]);
    }
    hi = deposit64(hi, RMP_HI_IN_USE_SHIFT, RMP_HI_IN_USE_LENGTH, e->in_use);

    for (i = 0; i < pages; i++) {
        uint8_t *p = rmp->table + (pfn + i) * SNP_RMP_ENTRY_SIZE;
        uint16_t *assigned = &rmp->assigned_2m[(pfn + i) / SNP_RMP_LARGE_PAGES];
        uint64_t old = ldq_le_p(p);
        bool was_assigned = old & RMP_LO_ASSIGNED;

        /* The gpa of a page that has none stays zero. */
        uint64_t gpa = e->assigned && e->asid ?
            e->gpa + i * SNP_RMP_PAGE_SIZE : e->gpa;

        stq_le_p(p, lo | (gpa & RMP_LO_GPA));
        stq_le_p(p + 8, hi);
        qatomic_set(assigned, *assigned + e->assigned - was_assigned);
        rmp->asid_pages[rmp_lo_asid(old)] -= was_assigned;
        rmp->asid_pages[rmp_lo_asid(lo)] += e->assigned;
    }

    memory_region_set_dirty(rmp->mr,
                            rmp->table - (uint8_t *)
                            memory_region_get_ram_ptr(rmp->mr) +
                            pfn * SNP_RMP_ENTRY_SIZE,
                            pages * SNP_RMP_ENTRY_SIZE);
    trace_snp_rmp_put(spa, e->assigned, e->size_2m, e->immutable, e->asid,
                      e->gpa, e->vmsa, e->validated, e->in_use);
}

bool snp_rmp_host_writable(SnpRmp *rmp, hwaddr spa, uint64_t page_size)
{
    const uint8_t *p;

    /* A CPU is only here while the table stays: it goes in reset. */
    if (!snp_rmp_covers(rmp, spa) ||
        !qatomic_read(&rmp->assigned_2m[spa / SNP_RMP_LARGE_SIZE])) {
        return true;
    }
    if (page_size >= SNP_RMP_LARGE_SIZE) {
        return false;
    }
    p = rmp->table + spa / SNP_RMP_PAGE_SIZE * SNP_RMP_ENTRY_SIZE;
    return !(ldq_le_p(p) & RMP_LO_ASSIGNED);
}

void snp_rmp_configure(SnpRmp *rmp, hwaddr base, hwaddr end)
{
    snp_rmp_lock(rmp);
    if (!rmp->active) {
        rmp->base = base;
        rmp->end = end;
        trace_snp_rmp_configure(base, end);
    }
    snp_rmp_unlock(rmp);
}

static void snp_rmp_unmap(SnpRmp *rmp)
{
    g_free(rmp->assigned_2m);
    rmp->assigned_2m = NULL;
    rmp->table = NULL;
    rmp->num_entries = 0;
    if (rmp->mr) {
        memory_region_unref(rmp->mr);
        rmp->mr = NULL;
    }
}

/* Find the table in RAM, and count the pages that it says are assigned. */
static bool snp_rmp_map(SnpRmp *rmp)
{
    MemoryRegionSection sect;
    uint64_t size;

    if (rmp->end <= rmp->base || rmp->end - rmp->base < SNP_RMP_BOOKKEEPING) {
        return false;
    }
    size = rmp->end - rmp->base + 1;

    sect = memory_region_find(get_system_memory(), rmp->base, size);
    if (!sect.mr) {
        return false;
    }
    rmp->mr = sect.mr;      /* with the reference of memory_region_find() */
    if (!memory_region_is_ram(sect.mr) || sect.readonly ||
        int128_lt(sect.size, int128_make64(size)) ||
        sect.offset_within_address_space != rmp->base) {
        snp_rmp_unmap(rmp);
        return false;
    }

    rmp->table = (uint8_t *)memory_region_get_ram_ptr(sect.mr) +
                 sect.offset_within_region + SNP_RMP_BOOKKEEPING;
    rmp->num_entries = (size - SNP_RMP_BOOKKEEPING) / SNP_RMP_ENTRY_SIZE;
    rmp->assigned_2m = g_new0(uint16_t, DIV_ROUND_UP(rmp->num_entries,
                                                     SNP_RMP_LARGE_PAGES));
    snp_rmp_recount(rmp);
    return true;
}

bool snp_rmp_set_active(SnpRmp *rmp, bool active)
{
    bool ok = true;

    snp_rmp_lock(rmp);
    if (rmp->active != active) {
        if (active) {
            ok = snp_rmp_map(rmp);
        } else {
            snp_rmp_unmap(rmp);
        }
        if (ok) {
            qatomic_store_release(&rmp->active, active);
        }
        trace_snp_rmp_set_active(active, ok);
    }
    snp_rmp_unlock(rmp);
    return ok;
}

static void do_flush_tlb(CPUState *cs, run_on_cpu_data data)
{
    tlb_flush(cs);
}

void snp_rmp_flush_tlbs(SnpRmp *rmp, CPUState *src)
{
    if (src) {
        tlb_flush_all_cpus_synced(src);
    } else {
        CPUState *cs;

        /* Nobody but the CPU itself may touch its TLB. */
        CPU_FOREACH(cs) {
            async_run_on_cpu(cs, do_flush_tlb, RUN_ON_CPU_NULL);
        }
    }
}

void snp_rmp_set_inject(SnpRmp *rmp, hwaddr start, hwaddr end,
                        uint32_t result, uint64_t count)
{
    snp_rmp_lock(rmp);
    rmp->inject_start = start;
    rmp->inject_end = end;
    rmp->inject_result = result;
    rmp->inject_count = count;
    snp_rmp_unlock(rmp);
}

uint32_t snp_rmp_inject_fail(SnpRmp *rmp, hwaddr spa)
{
    if (likely(!rmp->inject_count) ||
        spa < rmp->inject_start || spa > rmp->inject_end) {
        return SNP_RMP_OK;
    }
    rmp->inject_count--;
    trace_snp_rmp_inject_fail(spa, rmp->inject_result, rmp->inject_count);
    return rmp->inject_result;
}

static void snp_rmp_reset(void *opaque)
{
    SnpRmp *rmp = opaque;

    snp_rmp_set_active(rmp, false);
    snp_rmp_configure(rmp, rmp->reset_base, rmp->reset_end);
    snp_rmp_set_inject(rmp, 0, 0, SNP_RMP_OK, 0);
}

static int snp_rmp_post_load(void *opaque, int version_id)
{
    SnpRmp *rmp = opaque;
    bool active = rmp->active;
    bool ok;

    /* The table itself came with the RAM: look at it afresh. */
    rmp->active = false;
    snp_rmp_lock(rmp);
    snp_rmp_unmap(rmp);
    snp_rmp_unlock(rmp);
    ok = snp_rmp_set_active(rmp, active);
    snp_rmp_flush_tlbs(rmp, NULL);
    return ok ? 0 : -EINVAL;
}

static const VMStateDescription vmstate_snp_rmp = {
    .name = TYPE_SNP_RMP,
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = snp_rmp_post_load,
    .fields = (VMStateField[]) {
        VMSTATE_UINT64(base, SnpRmp),
        VMSTATE_UINT64(end, SnpRmp),
        VMSTATE_BOOL(active, SnpRmp),
        VMSTATE_END_OF_LIST()
    }
};

static void snp_rmp_realize(DeviceState *dev, Error **errp)
{
    /* There is no bus that would reset it. */
    qemu_register_reset(snp_rmp_reset, dev);
}

static void snp_rmp_unrealize(DeviceState *dev)
{
    qemu_unregister_reset(snp_rmp_reset, dev);
}

static void snp_rmp_instance_init(Object *obj)
{
    qemu_mutex_init(&SNP_RMP(obj)->lock);
}

static void snp_rmp_instance_finalize(Object *obj)
{
    SnpRmp *rmp = SNP_RMP(obj);

    snp_rmp_unmap(rmp);
    qemu_mutex_destroy(&rmp->lock);
}

static const Property snp_rmp_properties[] = {
    DEFINE_PROP_UINT64("base", SnpRmp, reset_base, 0),
    DEFINE_PROP_UINT64("end", SnpRmp, reset_end, 0),
};

static void snp_rmp_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "AMD SEV-SNP reverse map table";
    dc->realize = snp_rmp_realize;
    dc->unrealize = snp_rmp_unrealize;
    dc->vmsd = &vmstate_snp_rmp;
    /* Made by the machine, which wires it to the CPUs. */
    dc->user_creatable = false;
    device_class_set_props(dc, snp_rmp_properties);
    snp_rmp_debug_class_init(oc);
}

static const TypeInfo snp_rmp_info = {
    .name = TYPE_SNP_RMP,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(SnpRmp),
    .instance_init = snp_rmp_instance_init,
    .instance_finalize = snp_rmp_instance_finalize,
    .class_init = snp_rmp_class_init,
};

static void snp_rmp_register_types(void)
{
    type_register_static(&snp_rmp_info);
}

type_init(snp_rmp_register_types)
