/*
 * AMD SEV-SNP: MSRs, access checks and instructions of the CPU
 *
 * See AMD64 Architecture Programmer's Manual (APM), volume 2, 15.34 to 15.36,
 * and volume 3 for the instructions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cpu_ldst.h"
#include "exec/cputlb.h"
#include "exec/exec-all.h"
#include "exec/helper-proto.h"
#include "hw/i386/snp-rmp.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp.h"
#include "target/i386/trace.h"

/* MSRs */

#define SYSCFG_VALID    (MSR_AMD64_SYSCFG_MFDE | MSR_AMD64_SYSCFG_MFDM | \
                         MSR_AMD64_SYSCFG_MVDM | MSR_AMD64_SYSCFG_TOM2 | \
                         MSR_AMD64_SYSCFG_FWB | MSR_AMD64_SYSCFG_MEM_ENCRYPT | \
                         MSR_AMD64_SYSCFG_SNP_EN | MSR_AMD64_SYSCFG_VMPL_EN)

/* RMP_BASE and RMP_END have a granularity of 8K. */
#define RMP_ADDR_ALIGN  0x1fffULL

/* From a bit of SEV_FEATURES in the VMSA to that of SEV_STATUS. */
#define SEV_STATUS_FEATURES_SHIFT 2
#define SEV_STATUS_SEV            (1ULL << 0)
#define SEV_STATUS_ES             (1ULL << 1)
#define SEV_STATUS_SNP            (1ULL << 2)

static uint64_t host_phys_mask(CPUX86State *env)
{
    return MAKE_64BIT_MASK(0, env_archcpu(env)->phys_bits -
                              SEV_REDUCED_PHYS_BITS);
}

static uint64_t sev_status(CPUX86State *env)
{
    uint64_t status = 0;

    if (env->sev_guest.sev) {
        status |= SEV_STATUS_SEV;
    }
    if (env->sev_guest.es) {
        status |= SEV_STATUS_ES;
        status |= env->sev_guest.vmsa_features << SEV_STATUS_FEATURES_SHIFT;
    }
    if (env->sev_guest.snp) {
        status |= SEV_STATUS_SNP;
    }
    return status;
}

bool snp_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val, uintptr_t ra)
{
    switch (msr) {
    case MSR_AMD64_SYSCFG:
        *val = env->msr_syscfg;
        return true;
    case MSR_K7_HWCR:
        *val = env->msr_hwcr;
        return true;
    case MSR_AMD64_RMP_BASE:
        *val = env->msr_rmp_base;
        return true;
    case MSR_AMD64_RMP_END:
        *val = env->msr_rmp_end;
        return true;
    case MSR_AMD64_SEV_STATUS:
        *val = sev_status(env);
        return true;
    case MSR_AMD64_SEV_ES_GHCB:
        if (!(env->hflags & HF_GUEST_MASK)) {
            raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
        }
        *val = env->msr_ghcb;
        return true;
    case MSR_AMD64_VM_PAGE_FLUSH:
        /* write only */
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    default:
        return false;
    }
}

static void write_syscfg(CPUX86State *env, uint64_t val, uintptr_t ra)
{
    SnpRmp *rmp = env_archcpu(env)->rmp;
    uint64_t old = env->msr_syscfg;

    if (old & MSR_AMD64_SYSCFG_SNP_EN) {
        /* From now on it cannot be changed, and who tries is not told. */
        return;
    }
    if (val & ~SYSCFG_VALID) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
    if (val & MSR_AMD64_SYSCFG_SNP_EN) {
        /*
         * The first CPU that gets here decides where the table is; they all
         * have to agree anyway.  The manual does not say what becomes of a
         * CPU whose table is not in memory.
         */
        snp_rmp_configure(rmp, env->msr_rmp_base, env->msr_rmp_end);
        if (!snp_rmp_set_active(rmp, true)) {
            raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
        }
    }

    env->msr_syscfg = val;
    if ((old ^ val) & (MSR_AMD64_SYSCFG_MEM_ENCRYPT |
                       MSR_AMD64_SYSCFG_SNP_EN)) {
        tlb_flush(env_cpu(env));
    }
}

/* Is this one of the MSRs that SNP_EN makes read-only?  (15.36.2) */
static bool is_locked(uint32_t msr)
{
    switch (msr) {
    case MSR_MTRRfix64K_00000:
    case MSR_MTRRfix16K_80000:
    case MSR_MTRRfix16K_A0000:
    case MSR_MTRRfix4K_C0000 ... MSR_MTRRfix4K_F8000:
    case MSR_AMD64_IORR_BASE0 ... MSR_AMD64_IORR_MASK1:
    case MSR_AMD64_TOP_MEM:
    case MSR_AMD64_TOP_MEM2:
    case MSR_AMD64_SMM_KEY:
    case MSR_AMD64_RMP_BASE:
    case MSR_AMD64_RMP_END:
        return true;
    default:
        return false;
    }
}

bool snp_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val, uintptr_t ra)
{
    if (snp_checks(env) && is_locked(msr)) {
        goto gpf;
    }

    switch (msr) {
    case MSR_AMD64_SYSCFG:
        write_syscfg(env, val, ra);
        return true;

    case MSR_K7_HWCR:
        val |= env->msr_hwcr & MSR_K7_HWCR_SMMLOCK; /* write once */
        val |= MSR_K7_HWCR_TSC_FREQ_SEL;            /* read only */
        env->msr_hwcr = val;
        return true;

    case MSR_AMD64_RMP_BASE:
        if (val & (RMP_ADDR_ALIGN | ~host_phys_mask(env))) {
            goto gpf;
        }
        env->msr_rmp_base = val;
        return true;

    case MSR_AMD64_RMP_END:
        if (val & ~host_phys_mask(env)) {
            goto gpf;
        }
        /* The address of the last byte: the low bits always read as 1. */
        env->msr_rmp_end = val | RMP_ADDR_ALIGN;
        return true;

    case MSR_AMD64_SEV_STATUS:
        goto gpf;

    case MSR_AMD64_SEV_ES_GHCB:
        if (!(env->hflags & HF_GUEST_MASK)) {
            goto gpf;
        }
        env->msr_ghcb = val;
        return true;

    case MSR_VM_HSAVE_PA:
        /* The CPU will write there. */
        if (snp_checks(env) &&
            !snp_host_writable(env, val, TARGET_PAGE_SIZE)) {
            goto gpf;
        }
        return false;

    case MSR_AMD64_VM_PAGE_FLUSH:
        /*
         * Linear address of a page and ASID of the guest whose encrypted
         * cache lines of that page are to be flushed.  There are no caches,
         * what remains are the checks.
         */
        if (extract64(val, 0, 12) == 0 ||
            extract64(val, 0, 12) > SNP_MAX_ASID) {
            goto gpf;
        }
        probe_read(env, val & TARGET_PAGE_MASK, 1,
                   cpu_mmu_index(env_cpu(env), false), ra);
        return true;

    default:
        return false;
    }

gpf:
    raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
}

/* Access checks */

bool snp_host_writable(CPUX86State *env, hwaddr spa, uint64_t page_size)
{
    return snp_rmp_host_writable(env_archcpu(env)->rmp, spa, page_size);
}

/* Does the RMP say that the page is the running guest's, at this address? */
static bool guest_owns(CPUX86State *env, const SnpRmpEntry *e, hwaddr gpa)
{
    return e->assigned && e->asid == env->sev_guest.asid && e->gpa == gpa;
}

/* All permissions of the running guest's VMPL for a page. */
static uint8_t vmpl_perms(CPUX86State *env, const SnpRmpEntry *e)
{
    if (!(env->msr_syscfg & MSR_AMD64_SYSCFG_VMPL_EN)) {
        return SNP_PERM_ALL;
    }
    return e->perms[env->sev_guest.vmpl % SNP_NUM_VMPLS];
}

uint64_t snp_guest_check(CPUX86State *env, hwaddr spa, hwaddr gpa,
                         uint64_t page_size, MMUAccessType access_type,
                         int *prot)
{
    SnpRmp *rmp = env_archcpu(env)->rmp;
    SnpRmpEntry e;
    uint8_t perms;

    snp_rmp_lock(rmp);
    snp_rmp_get(rmp, spa, &e);
    snp_rmp_unlock(rmp);

    /* The order is that of table 15-39, "RMP Memory Access Checks". */
    if (!guest_owns(env, &e, gpa) || e.immutable) {
        return SNP_PF_RMP;
    }
    /* A nested translation of 1G counts as one of 2M. */
    if ((page_size >= SNP_RMP_LARGE_SIZE) != e.size_2m) {
        return SNP_PF_RMP;
    }
    if (!e.validated) {
        return SNP_NPF_NOT_VALIDATED;
    }

    perms = vmpl_perms(env, &e);
    *prot = 0;
    if (perms & SNP_PERM_READ) {
        *prot |= PAGE_READ;
    }
    if ((perms & SNP_PERM_WRITE) && (perms & SNP_PERM_READ)) {
        *prot |= PAGE_WRITE;
    }
    if (perms & (SNP_PERM_EXEC_USER | SNP_PERM_EXEC_SUPER)) {
        *prot |= PAGE_EXEC;
    }
    if (!(*prot & (1 << access_type))) {
        return SNP_PF_RMP | SNP_NPF_VMPL;
    }
    return 0;
}

bool snp_guest_exec_ok(CPUX86State *env, hwaddr spa, bool is_user)
{
    SnpRmp *rmp = env_archcpu(env)->rmp;
    SnpRmpEntry e;

    snp_rmp_lock(rmp);
    snp_rmp_get(rmp, spa, &e);
    snp_rmp_unlock(rmp);

    return vmpl_perms(env, &e) &
           (is_user ? SNP_PERM_EXEC_USER : SNP_PERM_EXEC_SUPER);
}

void snp_raise_not_validated(CPUX86State *env, target_ulong va, uintptr_t ra)
{
    trace_snp_not_validated(va, env->sev_guest.asid);
    env->cr[2] = va;
    raise_exception_err_ra(env, EXCP1D_VC, SNP_VC_PAGE_NOT_VALIDATED, ra);
}

/*
 * VMCBs are marked as VMSAs are, but nothing stops a second CPU from using
 * the same, so they are counted.  Pages that the RMP does not cover are the
 * hypervisor's for good, nothing can happen to them.
 */
bool snp_vmcb_claim(CPUX86State *env, hwaddr pa)
{
    SnpRmp *rmp = env_archcpu(env)->rmp;
    SnpRmpEntry e;
    bool covered;

    snp_rmp_lock(rmp);
    covered = snp_rmp_get(rmp, pa, &e);
    if (covered && !e.assigned) {
        e.in_use++;
        snp_rmp_put(rmp, pa, &e);
    }
    snp_rmp_unlock(rmp);
    return !covered || !e.assigned;
}

void snp_page_release(CPUX86State *env, hwaddr pa)
{
    SnpRmp *rmp = env_archcpu(env)->rmp;
    SnpRmpEntry e;

    snp_rmp_lock(rmp);
    if (snp_rmp_get(rmp, pa, &e) && e.in_use) {
        e.in_use--;
        snp_rmp_put(rmp, pa, &e);
    }
    snp_rmp_unlock(rmp);
}

/*
 * Instructions
 *
 * Each reads and writes RMP entries within one hold of the RMP's lock and is
 * therefore atomic with regard to all other CPUs and to the security
 * processor.  Each that changes an entry is the last of its translation
 * block and has flushed the TLBs of all CPUs before the next one begins.
 *
 * Their results are in rAX, and flags are set as by a comparison of it with
 * zero.  The manual leaves CF undefined except for PVALIDATE.
 */

static void set_result(CPUX86State *env, uint32_t result, bool carry)
{
    env->regs[R_EAX] = result;
    CC_SRC = (result ? 0 : CC_Z) | compute_pf(result) |
             (carry ? CC_C : 0);
}

/* What RMPUPDATE reads from memory. */
typedef struct RmpUpdateState {
    uint64_t gpa;
    uint8_t assigned;
    uint8_t size_2m;
    uint8_t immutable;
    uint8_t reserved;
    uint32_t asid;
} RmpUpdateState;

QEMU_BUILD_BUG_ON(sizeof(RmpUpdateState) != 16);

/* May all pages of a range that is no 2M page of the RMP become one? */
static uint32_t check_overlap_2m(SnpRmp *rmp, hwaddr spa)
{
    hwaddr i;

    for (i = 0; i < SNP_RMP_LARGE_SIZE; i += SNP_RMP_PAGE_SIZE) {
        SnpRmpEntry e;

        snp_rmp_get(rmp, spa + i, &e);
        if (e.in_use) {
            return SNP_RMP_FAIL_INUSE;
        }
        if (e.assigned) {
            return SNP_RMP_FAIL_OVERLAP;
        }
        if (e.immutable) {
            return SNP_RMP_FAIL_PERMISSION;
        }
    }
    return SNP_RMP_OK;
}

/* The RMP is locked. */
static uint32_t rmpupdate(CPUX86State *env, hwaddr spa,
                          const RmpUpdateState *s)
{
    SnpRmp *rmp = env_archcpu(env)->rmp;
    SnpRmpEntry old, new = {
        .assigned = s->assigned,
        .size_2m = s->assigned && s->size_2m,
        .immutable = s->immutable,
        .gpa = s->assigned ? s->gpa : 0,
        .asid = s->asid,
    };
    hwaddr size = s->size_2m ? SNP_RMP_LARGE_SIZE : SNP_RMP_PAGE_SIZE;
    hwaddr i;
    uint32_t result;

    if (s->assigned > 1 || s->size_2m > 1 || s->immutable > 1 ||
        s->reserved || s->asid > SNP_MAX_ASID ||
        ((s->asid || s->immutable) && !s->assigned) ||
        (s->assigned && (s->gpa & (size - 1))) || (spa & (size - 1)) ||
        !snp_rmp_covers(rmp, spa) || !snp_rmp_covers(rmp, spa + size - 1)) {
        return SNP_RMP_FAIL_INPUT;
    }

    result = snp_rmp_inject_fail(rmp, spa);
    if (result != SNP_RMP_OK) {
        return result;
    }

    snp_rmp_get(rmp, spa, &old);
    if (old.immutable) {
        return SNP_RMP_FAIL_PERMISSION;
    }
    if (old.in_use) {
        return SNP_RMP_FAIL_INUSE;
    }
    if (!old.size_2m && s->size_2m) {
        result = check_overlap_2m(rmp, spa);
        if (result != SNP_RMP_OK) {
            return result;
        }
    } else if (old.size_2m && !s->size_2m) {
        return SNP_RMP_FAIL_OVERLAP;
    }

    if (new.asid) {
        /* A page starts out as one of VMPL0 alone. */
        new.perms[0] = SNP_PERM_ALL;
    }
    if (new.size_2m) {
        snp_rmp_put(rmp, spa, &new);
    } else {
        /* Pages of the hypervisor have no size. */
        for (i = 0; i < size; i += SNP_RMP_PAGE_SIZE) {
            snp_rmp_put(rmp, spa + i, &new);
        }
    }
    return SNP_RMP_OK;
}

/* #UD and #GP of the instructions for the hypervisor. */
static void check_host_insn(CPUX86State *env, uintptr_t ra)
{
    if (!snp_checks(env)) {
        raise_exception_ra(env, EXCP06_ILLOP, ra);
    }
    if ((env->hflags & HF_CPL_MASK) != 0) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
}

void helper_rmpupdate(CPUX86State *env)
{
    uintptr_t ra = GETPC();
    SnpRmp *rmp = env_archcpu(env)->rmp;
    hwaddr spa = env->regs[R_EAX] & TARGET_PAGE_MASK;
    RmpUpdateState s;
    uint64_t fields;
    uint32_t result;

    check_host_insn(env, ra);

    /* May fault, thus without the lock. */
    s.gpa = cpu_ldq_data_ra(env, env->regs[R_ECX], ra);
    fields = cpu_ldq_data_ra(env, env->regs[R_ECX] + 8, ra);
    s.assigned = extract64(fields, 0, 8);
    s.size_2m = extract64(fields, 8, 8);
    s.immutable = extract64(fields, 16, 8);
    s.reserved = extract64(fields, 24, 8);
    s.asid = extract64(fields, 32, 32);

    if (env->hflags & HF_GUEST_MASK) {
        result = SNP_RMP_FAIL_PERMISSION;
    } else {
        snp_rmp_lock(rmp);
        result = rmpupdate(env, spa, &s);
        snp_rmp_unlock(rmp);
    }
    trace_snp_rmpupdate(spa, s.assigned, s.size_2m, s.immutable, s.asid,
                        s.gpa, result);

    if (result == SNP_RMP_OK) {
        snp_rmp_flush_tlbs(rmp, env_cpu(env));
    }
    set_result(env, result, false);
}

/* The RMP is locked. */
static uint32_t psmash(SnpRmp *rmp, hwaddr spa)
{
    SnpRmpEntry e;
    uint64_t i;

    if ((spa & (SNP_RMP_LARGE_SIZE - 1)) ||
        !snp_rmp_covers(rmp, spa + SNP_RMP_LARGE_SIZE - 1)) {
        return SNP_RMP_FAIL_INPUT;
    }
    snp_rmp_get(rmp, spa, &e);
    if (e.immutable) {
        return SNP_RMP_FAIL_PERMISSION;
    }
    if (!e.assigned || !e.size_2m) {
        return SNP_RMP_FAIL_BADADDR;
    }
    if (e.in_use) {
        return SNP_RMP_FAIL_INUSE;
    }
    for (i = 0; i < SNP_RMP_LARGE_SIZE; i += SNP_RMP_PAGE_SIZE) {
        snp_rmp_get(rmp, spa + i, &e);
        e.size_2m = false;
        snp_rmp_put(rmp, spa + i, &e);
    }
    return SNP_RMP_OK;
}

void helper_psmash(CPUX86State *env)
{
    SnpRmp *rmp = env_archcpu(env)->rmp;
    hwaddr spa = env->regs[R_EAX] & TARGET_PAGE_MASK;
    uint32_t result;

    check_host_insn(env, GETPC());

    if (env->hflags & HF_GUEST_MASK) {
        result = SNP_RMP_FAIL_PERMISSION;
    } else {
        snp_rmp_lock(rmp);
        result = psmash(rmp, spa);
        snp_rmp_unlock(rmp);
    }
    trace_snp_psmash(spa, result);

    if (result == SNP_RMP_OK) {
        snp_rmp_flush_tlbs(rmp, env_cpu(env));
    }
    set_result(env, result, false);
}

/* #UD and #GP of the instructions for SNP guests. */
static void check_guest_insn(CPUX86State *env, uintptr_t ra)
{
    target_long va = env->regs[R_EAX];
    int shift = env->cr[4] & CR4_LA57_MASK ? 56 : 47;

    if (!env->sev_guest.snp) {
        raise_exception_ra(env, EXCP06_ILLOP, ra);
    }
    if ((env->hflags & HF_CPL_MASK) != 0 ||
        (va >> shift != 0 && va >> shift != -1)) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
}

/*
 * Find the RMP entry of the page in rAX for an instruction that works on
 * pages of @large or small size, and lock the RMP.  Faults that the guest or
 * its hypervisor must cure do not return.
 *
 * Returns: SNP_RMP_OK with the RMP locked, or else a result for rAX
 */
static uint32_t get_guest_page(CPUX86State *env, bool large, bool any_size,
                               SnpGuestPage *page, SnpRmpEntry *e,
                               uintptr_t ra)
{
    SnpRmp *rmp = env_archcpu(env)->rmp;
    target_ulong va = env->regs[R_EAX] & TARGET_PAGE_MASK;

    if (large && (va & (SNP_RMP_LARGE_SIZE - 1))) {
        return SNP_RMP_FAIL_INPUT;
    }

    snp_guest_translate(env, va, page, ra);
    if (!page->priv) {
        /* A shared page has no RMP entry that is the guest's. */
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }

    snp_rmp_lock(rmp);
    snp_rmp_get(rmp, page->spa, e);
    if (!guest_owns(env, e, page->gpa & TARGET_PAGE_MASK) || e->immutable) {
        snp_rmp_unlock(rmp);
        snp_raise_npf(env, page, 0, ra);
    }
    if (any_size) {
        return SNP_RMP_OK;
    }
    if (large && (!e->size_2m || page->guest_size < SNP_RMP_LARGE_SIZE ||
                  page->nested_size < SNP_RMP_LARGE_SIZE)) {
        snp_rmp_unlock(rmp);
        return SNP_RMP_FAIL_SIZEMISMATCH;
    }
    if (!large && (e->size_2m || page->nested_size >= SNP_RMP_LARGE_SIZE)) {
        /* The hypervisor has to split the page, and may then resume. */
        snp_rmp_unlock(rmp);
        snp_raise_npf(env, page, SNP_NPF_SIZEM, ra);
    }
    return SNP_RMP_OK;
}

void helper_pvalidate(CPUX86State *env)
{
    uintptr_t ra = GETPC();
    SnpRmp *rmp = env_archcpu(env)->rmp;
    /* Compilers leave anything in the bits that the manual does not name. */
    bool size = env->regs[R_ECX] & 1;
    bool validate = env->regs[R_EDX] & 1;
    SnpGuestPage page;
    SnpRmpEntry e;
    uint32_t result;
    bool unchanged = false;

    check_guest_insn(env, ra);
    if (env->sev_guest.vmpl != 0) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }

    result = get_guest_page(env, size, false, &page, &e, ra);
    if (result == SNP_RMP_OK) {
        unchanged = e.validated == validate;
        if (!unchanged) {
            e.validated = validate;
            snp_rmp_put(rmp, page.spa & TARGET_PAGE_MASK, &e);
        }
        snp_rmp_unlock(rmp);
        trace_snp_pvalidate(page.gpa, page.spa, e.asid, size, validate,
                            unchanged);
        if (!unchanged) {
            snp_rmp_flush_tlbs(rmp, env_cpu(env));
        }
    }
    set_result(env, result, unchanged);
}

void helper_rmpadjust(CPUX86State *env)
{
    uintptr_t ra = GETPC();
    SnpRmp *rmp = env_archcpu(env)->rmp;
    bool size = env->regs[R_ECX] & 1;   /* as for PVALIDATE */
    uint64_t attrs = env->regs[R_EDX];
    uint8_t vmpl = extract64(attrs, 0, 8);
    uint8_t perms = extract64(attrs, 8, 8);
    bool vmsa = extract64(attrs, 16, 1);
    SnpGuestPage page;
    SnpRmpEntry e;
    uint32_t result;

    check_guest_insn(env, ra);

    if (extract64(attrs, 17, 47) || (perms & ~SNP_PERM_ALL) ||
        vmpl >= SNP_NUM_VMPLS || (vmsa && size)) {
        set_result(env, SNP_RMP_FAIL_INPUT, false);
        return;
    }
    if (vmpl <= env->sev_guest.vmpl) {
        set_result(env, SNP_RMP_FAIL_PERMISSION, false);
        return;
    }

    result = get_guest_page(env, size, false, &page, &e, ra);
    if (result != SNP_RMP_OK) {
        set_result(env, result, false);
        return;
    }
    if (!e.validated) {
        snp_rmp_unlock(rmp);
        snp_raise_not_validated(env, env->regs[R_EAX], ra);
    }
    if (perms & ~vmpl_perms(env, &e)) {
        /* Nobody can give away what he has not. */
        result = SNP_RMP_FAIL_PERMISSION;
    } else if (env->sev_guest.vmpl == 0 && e.vmsa != vmsa && e.in_use) {
        result = SNP_RMP_FAIL_INUSE;
    } else {
        e.perms[vmpl] = perms;
        if (env->sev_guest.vmpl == 0) {
            e.vmsa = vmsa;
        }
        snp_rmp_put(rmp, page.spa & TARGET_PAGE_MASK, &e);
    }
    snp_rmp_unlock(rmp);
    trace_snp_rmpadjust(page.gpa, page.spa, e.asid, size, vmpl, perms, vmsa,
                        result);

    if (result == SNP_RMP_OK) {
        snp_rmp_flush_tlbs(rmp, env_cpu(env));
    }
    set_result(env, result, false);
}

void helper_rmpquery(CPUX86State *env)
{
    uintptr_t ra = GETPC();
    SnpRmp *rmp = env_archcpu(env)->rmp;
    uint64_t attrs = env->regs[R_EDX];
    uint8_t vmpl = extract64(attrs, 0, 8);
    SnpGuestPage page;
    SnpRmpEntry e;

    check_guest_insn(env, ra);

    if (extract64(attrs, 8, 56) || vmpl >= SNP_NUM_VMPLS) {
        set_result(env, SNP_RMP_FAIL_INPUT, false);
        return;
    }
    if (vmpl < env->sev_guest.vmpl) {
        set_result(env, SNP_RMP_FAIL_PERMISSION, false);
        return;
    }

    get_guest_page(env, false, true, &page, &e, ra);
    snp_rmp_unlock(rmp);
    if (!e.validated) {
        snp_raise_not_validated(env, env->regs[R_EAX], ra);
    }

    env->regs[R_ECX] = e.size_2m;
    env->regs[R_EDX] = vmpl | (e.perms[vmpl] << 8) | (e.vmsa << 16);
    set_result(env, SNP_RMP_OK, false);
}
