/*
 * World switch of encrypted (SEV, SEV-ES, SEV-SNP) guests
 *
 * VMRUN finds the register state of a SEV-ES guest not in the VMCB but in a
 * page of its own, the VMSA, which only the guest and the processor can make
 * sense of.  This file has what VMRUN and #VMEXIT do for such guests beyond
 * what they do for all: the checks on ASID and VMSA, the claim on the VMSA
 * while the guest runs, and the state that only a VMSA holds.
 *
 * See AMD64 Architecture Programmer's Manual (APM), volume 2, sections 15.34
 * (SEV), 15.35 (SEV-ES) and 15.36 (SEV-SNP), and the appendix on the layout
 * of the VMCB.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "exec/exec-all.h"
#include "exec/cpu_ldst.h"
#include "hw/i386/snp-rmp.h"
#include "tcg/helper-tcg.h"
#include "tcg/snp.h"
#include "trace.h"

/* What SEV_FEATURES of a VMSA may ask for. */
#define SEV_FEATURES_SUPPORTED  (SVM_SEV_FEAT_SNP_ACTIVE | \
                                 SVM_SEV_FEAT_DEBUG_SWAP)

/* Offset of the sev_es layout in the host save area: as in a VMCB. */
#define HSAVE_OFFSET            offsetof(struct vmcb, save)

/*
 * Claim the VMSA page for this CPU.  The RMP lock makes this one step with
 * the checks, so that of two CPUs, or of a CPU and an RMPUPDATE, one comes
 * first: the page either is not claimed or does not change state.
 */
static int64_t sev_vmsa_claim(SnpRmp *rmp, hwaddr vmsa_pa, uint32_t asid,
                              bool *snp)
{
    SnpRmpEntry e;
    int64_t ret = 0;

    *snp = false;
    if (!snp_rmp_active(rmp)) {
        return 0;
    }

    snp_rmp_lock(rmp);
    if (snp_rmp_get(rmp, vmsa_pa, &e)) {
        if (e.in_use) {
            ret = SVM_EXIT_BUSY;
        } else if (e.assigned && (!e.vmsa || e.immutable || e.size_2m ||
                                  e.asid != asid)) {
            /* No instruction makes a VMSA of a 2M page. */
            ret = SVM_EXIT_ERR;
        } else {
            *snp = e.assigned;
            e.in_use = 1;
            snp_rmp_put(rmp, vmsa_pa, &e);
        }
    }
    snp_rmp_unlock(rmp);
    return ret;
}

/**
 * sev_vmrun_enter: VMRUN's checks for a guest with SEV or SEV-ES enabled
 * @env: the CPU, with vm_vmcb set
 * @asid: from the VMCB, not zero
 * @nested_ctl: from the VMCB
 *
 * Fills in env->sev_guest and, for SEV-ES, claims the VMSA: from here until
 * sev_vmrun_leave() its RMP entry is in use.
 *
 * Returns: zero, or the exit code that VMRUN fails with.  See APM 15.34.3,
 * 15.35.2 and 15.36.12.
 */
int64_t sev_vmrun_enter(CPUX86State *env, uint32_t asid, uint64_t nested_ctl)
{
    CPUState *cs = env_cpu(env);
    X86CPU *cpu = env_archcpu(env);
    bool es = nested_ctl & SVM_SEV_ES_ENABLED;
    bool snp;
    uint64_t vmsa_pa, features;
    uint8_t vmpl;
    int64_t ret;

    if (!(nested_ctl & SVM_SEV_ENABLED) || !(nested_ctl & SVM_NPT_ENABLED) ||
        !(env->msr_hwcr & MSR_K7_HWCR_SMMLOCK)) {
        return SVM_EXIT_ERR;
    }
    if (asid > SNP_MAX_ASID || (!es && asid < SNP_MIN_SEV_ASID)) {
        return SVM_EXIT_ERR;
    }

    env->sev_guest.asid = asid;
    if (!es) {
        env->sev_guest.sev = true;
        trace_sev_vmrun(env->vm_vmcb, asid, 0, 0, 0);
        return 0;
    }

    vmsa_pa = x86_ldq_phys(cs, env->vm_vmcb +
                           offsetof(struct vmcb, control.vmsa_pa));
    if (vmsa_pa & (~TARGET_PAGE_MASK | ~MAKE_64BIT_MASK(0, cpu->phys_bits))) {
        return SVM_EXIT_ERR;
    }
    ret = sev_vmsa_claim(cpu->rmp, vmsa_pa, asid, &snp);
    if (ret) {
        return ret;
    }

    env->sev_guest.sev = true;
    env->sev_guest.es = true;
    env->sev_guest.vmsa_pa = vmsa_pa;

    features = x86_ldq_phys(cs, vmsa_pa + offsetof(struct vmcb_save_area,
                                                   sev_features));
    vmpl = x86_ldub_phys(cs, vmsa_pa + offsetof(struct vmcb_save_area, vmpl));
    if ((features & ~SEV_FEATURES_SUPPORTED) ||
        snp != !!(features & SVM_SEV_FEAT_SNP_ACTIVE) ||
        vmpl >= (snp ? SNP_NUM_VMPLS : 1)) {
        sev_vmrun_leave(env);
        return SVM_EXIT_ERR;
    }

    env->sev_guest.snp = snp;
    env->sev_guest.vmpl = vmpl;
    env->sev_guest.vmsa_features = features;
    trace_sev_vmrun(env->vm_vmcb, asid, vmsa_pa, features, vmpl);
    return 0;
}

/**
 * sev_vmrun_leave: the CPU is no longer inside the encrypted guest
 * @env: the CPU; whether it was in such a guest does not matter
 *
 * The counterpart of sev_vmrun_enter(), for each way out of the guest.  State
 * must have been saved to the VMSA before, since from here on the page may be
 * taken away or used by another CPU.
 */
void sev_vmrun_leave(CPUX86State *env)
{
    if (env->sev_guest.es) {
        snp_page_release(env, env->sev_guest.vmsa_pa);
    }
    memset(&env->sev_guest, 0, sizeof(env->sev_guest));
}

/**
 * sev_cr3_reserved_bits: bits of CR3 that must be zero in long mode
 * @env: the CPU
 * @guest: whether it is about a guest's CR3
 */
uint64_t sev_cr3_reserved_bits(CPUX86State *env, bool guest)
{
    uint64_t reserved = ~MAKE_64BIT_MASK(0, env_archcpu(env)->phys_bits);
    bool cbit = guest ? env->sev_guest.sev :
                env->msr_syscfg & MSR_AMD64_SYSCFG_MEM_ENCRYPT;

    return cbit ? reserved & ~SEV_CBIT : reserved;
}

/**
 * sev_es_event_allowed: may a hypervisor inject this event?
 * @event_inj: EVENTINJ, valid
 *
 * A SEV-ES guest must not be made to believe that it executed an INT, INT3
 * or INTO instruction.
 */
bool sev_es_event_allowed(uint32_t event_inj)
{
    uint8_t vector = event_inj & SVM_EVTINJ_VEC_MASK;

    switch (event_inj & SVM_EVTINJ_TYPE_MASK) {
    case SVM_EVTINJ_TYPE_SOFT:
        return false;
    case SVM_EVTINJ_TYPE_EXEPT:
        return vector != EXCP03_INT3 && vector != EXCP04_INTO;
    default:
        return true;
    }
}

/**
 * sev_es_automatic_exit: does an intercepted event leave a SEV-ES guest?
 * @exit_code: exit code of the intercept
 * @exit_info_1: EXITINFO1 that goes with it
 *
 * The automatic exits (AE) are those that need no state of the guest.  All
 * others (NAE) raise #VC in the guest.  See APM 15.35.4.
 */
bool sev_es_automatic_exit(uint64_t exit_code, uint64_t exit_info_1)
{
    switch (exit_code) {
    case SVM_EXIT_EXCP_BASE + EXCP12_MCHK:
    /* Inadvisable, says 15.35.5; but another #VC would be no better. */
    case SVM_EXIT_EXCP_BASE + EXCP1D_VC:
    case SVM_EXIT_INTR:
    case SVM_EXIT_NMI:
    case SVM_EXIT_SMI:
    case SVM_EXIT_INIT:
    case SVM_EXIT_VINTR:
    case SVM_EXIT_PAUSE:
    case SVM_EXIT_HLT:
    case SVM_EXIT_SHUTDOWN:
    case SVM_EXIT_EFER_WRITE_TRAP:
    case SVM_EXIT_CR0_WRITE_TRAP ... SVM_EXIT_CR15_WRITE_TRAP:
    case SVM_EXIT_VMGEXIT:
    case (uint64_t)SVM_EXIT_ERR:
    case (uint64_t)SVM_EXIT_BUSY:
        return true;
    case SVM_EXIT_NPF:
        /* A reserved bit is how a hypervisor marks MMIO. */
        return !(exit_info_1 & SVM_NPTEXIT_RSV);
    default:
        return false;
    }
}

static void sev_es_read(CPUX86State *env, hwaddr addr,
                        struct vmcb_save_area *save)
{
    MemTxAttrs attrs = cpu_get_mem_attrs(env);

    address_space_read(cpu_addressspace(env_cpu(env), attrs), addr, attrs,
                       save, sizeof(*save));
}

static void sev_es_load_fpu(CPUX86State *env, const struct vmcb_save_area *save)
{
    uint16_t ftw = lduw_le_p(&save->x87_ftw);
    int i;

    cpu_set_fpuc(env, lduw_le_p(&save->x87_fcw));
    cpu_set_fpus(env, lduw_le_p(&save->x87_fsw));
    env->fpop = lduw_le_p(&save->x87_fop);
    env->fpip = ldq_le_p(&save->x87_rip);
    env->fpdp = ldq_le_p(&save->x87_dp);
    env->fpcs = lduw_le_p(&save->x87_cs);
    env->fpds = lduw_le_p(&save->x87_ds);
    for (i = 0; i < 8; i++) {
        floatx80 *st = &env->fpregs[(env->fpstt + i) & 7].d;

        /* Abridged like FXSAVE's: a set bit is a register in use. */
        env->fptags[i] = !(ftw & (1 << i));
        st->low = ldq_le_p(&save->fpreg_x87_mant[i]);
        st->high = lduw_le_p(&save->fpreg_x87_exp[i]);
    }

    cpu_set_mxcsr(env, ldl_le_p(&save->mxcsr));
    for (i = 0; i < CPU_NB_REGS; i++) {
        ZMMReg *r = &env->xmm_regs[i];

        memset(r, 0, sizeof(*r));
        r->ZMM_Q(0) = ldq_le_p(&save->fpreg_xmm[i][0]);
        r->ZMM_Q(1) = ldq_le_p(&save->fpreg_xmm[i][1]);
        r->ZMM_Q(2) = ldq_le_p(&save->fpreg_ymm[i][0]);
        r->ZMM_Q(3) = ldq_le_p(&save->fpreg_ymm[i][1]);
    }
}

static void sev_es_save_fpu(CPUX86State *env, struct vmcb_save_area *save)
{
    uint16_t ftw = 0;
    int i;

    for (i = 0; i < 8; i++) {
        const floatx80 *st = &env->fpregs[(env->fpstt + i) & 7].d;

        ftw |= !env->fptags[i] << i;
        stq_le_p(&save->fpreg_x87_mant[i], st->low);
        stw_le_p(&save->fpreg_x87_exp[i], st->high);
    }
    stw_le_p(&save->x87_ftw, ftw);
    stw_le_p(&save->x87_fcw, env->fpuc);
    stw_le_p(&save->x87_fsw, (env->fpus & ~0x3800) | (env->fpstt & 7) << 11);
    stw_le_p(&save->x87_fop, env->fpop);
    stq_le_p(&save->x87_rip, env->fpip);
    stq_le_p(&save->x87_dp, env->fpdp);
    stw_le_p(&save->x87_cs, env->fpcs);
    stw_le_p(&save->x87_ds, env->fpds);

    update_mxcsr_from_sse_status(env);
    stl_le_p(&save->mxcsr, env->mxcsr);
    for (i = 0; i < CPU_NB_REGS; i++) {
        const ZMMReg *r = &env->xmm_regs[i];

        stq_le_p(&save->fpreg_xmm[i][0], r->ZMM_Q(0));
        stq_le_p(&save->fpreg_xmm[i][1], r->ZMM_Q(1));
        stq_le_p(&save->fpreg_ymm[i][0], r->ZMM_Q(2));
        stq_le_p(&save->fpreg_ymm[i][1], r->ZMM_Q(3));
    }
}

/* State that VMLOAD loads for other guests. */
static void sev_es_load_vmload_state(CPUX86State *env, hwaddr addr,
                                     const struct vmcb_save_area *save)
{
    svm_load_seg_cache(env, MMU_PHYS_IDX,
                       addr + offsetof(struct vmcb_save_area, fs), R_FS);
    svm_load_seg_cache(env, MMU_PHYS_IDX,
                       addr + offsetof(struct vmcb_save_area, gs), R_GS);
    svm_load_seg(env, MMU_PHYS_IDX,
                 addr + offsetof(struct vmcb_save_area, tr), &env->tr);
    svm_load_seg(env, MMU_PHYS_IDX,
                 addr + offsetof(struct vmcb_save_area, ldtr), &env->ldt);
#ifdef TARGET_X86_64
    env->kernelgsbase = ldq_le_p(&save->kernel_gs_base);
    svm_canonicalization(env, &env->kernelgsbase);
    env->lstar = ldq_le_p(&save->lstar);
    env->cstar = ldq_le_p(&save->cstar);
    env->fmask = ldq_le_p(&save->sfmask);
#endif
    env->star = ldq_le_p(&save->star);
    env->sysenter_cs = ldq_le_p(&save->sysenter_cs);
    env->sysenter_esp = ldq_le_p(&save->sysenter_esp);
    env->sysenter_eip = ldq_le_p(&save->sysenter_eip);
}

/* What a VMSA and the host save area hold of the rest, but for the FPU. */
static void sev_es_load_regs(CPUX86State *env,
                             const struct vmcb_save_area *save)
{
    int i;

    for (i = 0; i < CPU_NB_REGS; i++) {
        if (i != R_EAX && i != R_ESP) {
            env->regs[i] = ldq_le_p(&save->regs[i]);
        }
    }
    env->xcr0 = ldq_le_p(&save->xcr0);
    env->xss = ldq_le_p(&save->xss);
    env->pkru = ldl_le_p(&save->pkru);
    env->tsc_aux = ldl_le_p(&save->tsc_aux);
    cpu_sync_avx_hflag(env);
    cpu_sync_bndcs_hflags(env);
}

/*
 * Breakpoints are disabled meanwhile: DR7 is loaded, and they are enabled,
 * after this.
 */
static void sev_es_load_dr(CPUX86State *env, const struct vmcb_save_area *save)
{
    int i;

    cpu_x86_update_dr7(env, 0);
    for (i = 0; i < 4; i++) {
        env->dr[i] = ldq_le_p(&save->dr[i]);
    }
}

static bool sev_es_xcr0_valid(CPUX86State *env, uint64_t xcr0)
{
    uint64_t supported = (uint64_t)env->features[FEAT_XSAVE_XCR0_HI] << 32 |
                         env->features[FEAT_XSAVE_XCR0_LO] | XSTATE_FP_MASK;

    if (!(xcr0 & XSTATE_FP_MASK) || (xcr0 & ~supported)) {
        return false;
    }
    return !(xcr0 & XSTATE_YMM_MASK) || (xcr0 & XSTATE_SSE_MASK);
}

/**
 * sev_es_load_guest: load the state that a VMSA holds and a VMCB does not
 * @env: the CPU; what VMRUN loads for every guest, but for DR7, it already has
 *
 * Returns: false if the state is illegal and VMRUN must fail.
 */
bool sev_es_load_guest(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);
    hwaddr vmsa_pa = env->sev_guest.vmsa_pa;
    struct vmcb_save_area vmsa;

    sev_es_read(env, vmsa_pa, &vmsa);
    if (!sev_es_xcr0_valid(env, ldq_le_p(&vmsa.xcr0))) {
        return false;
    }

    sev_es_load_vmload_state(env, vmsa_pa, &vmsa);
    sev_es_load_regs(env, &vmsa);
    sev_es_load_fpu(env, &vmsa);
    env->pat = ldq_le_p(&vmsa.g_pat);
    if (env->sev_guest.vmsa_features & SVM_SEV_FEAT_DEBUG_SWAP) {
        sev_es_load_dr(env, &vmsa);
    }
    env->msr_ghcb = x86_ldq_phys(cs, env->vm_vmcb +
                                 offsetof(struct vmcb, control.ghcb_gpa));
    if (env->sev_guest.snp) {
        /* VMRUN of an encrypted guest always flushes: say so. */
        x86_stq_phys(cs, vmsa_pa + offsetof(struct vmcb_save_area, pcpu_id),
                     cs->cpu_index + 1);
    }
    return true;
}

/**
 * sev_es_save_guest: the counterpart of sev_es_load_guest() at #VMEXIT
 * @env: the CPU, still in the state of the guest
 */
void sev_es_save_guest(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);
    MemTxAttrs attrs = cpu_get_mem_attrs(env);
    hwaddr vmsa_pa = env->sev_guest.vmsa_pa;
    struct vmcb_save_area vmsa;
    /* What the VMCB says about the exit is for the guest's eyes, too. */
    static const struct {
        uint16_t vmsa;
        uint16_t vmcb;
    } exit_fields[] = {
        { offsetof(struct vmcb_save_area, guest_exit_code),
          offsetof(struct vmcb, control.exit_code) },
        { offsetof(struct vmcb_save_area, guest_exit_info_1),
          offsetof(struct vmcb, control.exit_info_1) },
        { offsetof(struct vmcb_save_area, guest_exit_info_2),
          offsetof(struct vmcb, control.exit_info_2) },
        /* not yet moved to EXITINTINFO */
        { offsetof(struct vmcb_save_area, guest_exit_int_info),
          offsetof(struct vmcb, control.event_inj) },
        { offsetof(struct vmcb_save_area, guest_nrip),
          offsetof(struct vmcb, control.next_rip) },
    };
    int i;

    /* What is not written below, and what is reserved, stays as it is. */
    sev_es_read(env, vmsa_pa, &vmsa);

    stq_le_p(&vmsa.star, env->star);
#ifdef TARGET_X86_64
    stq_le_p(&vmsa.lstar, env->lstar);
    stq_le_p(&vmsa.cstar, env->cstar);
    stq_le_p(&vmsa.sfmask, env->fmask);
    stq_le_p(&vmsa.kernel_gs_base, env->kernelgsbase);
#endif
    stq_le_p(&vmsa.sysenter_cs, env->sysenter_cs);
    stq_le_p(&vmsa.sysenter_esp, env->sysenter_esp);
    stq_le_p(&vmsa.sysenter_eip, env->sysenter_eip);
    for (i = 0; i < CPU_NB_REGS; i++) {
        if (i != R_EAX && i != R_ESP) {
            stq_le_p(&vmsa.regs[i], env->regs[i]);
        }
    }
    stq_le_p(&vmsa.xcr0, env->xcr0);
    stq_le_p(&vmsa.xss, env->xss);
    stl_le_p(&vmsa.pkru, env->pkru);
    stl_le_p(&vmsa.tsc_aux, env->tsc_aux);
    stq_le_p(&vmsa.g_pat, env->pat);
    if (env->sev_guest.vmsa_features & SVM_SEV_FEAT_DEBUG_SWAP) {
        for (i = 0; i < 4; i++) {
            stq_le_p(&vmsa.dr[i], env->dr[i]);
        }
    }
    sev_es_save_fpu(env, &vmsa);
    for (i = 0; i < ARRAY_SIZE(exit_fields); i++) {
        stq_le_p((uint8_t *)&vmsa + exit_fields[i].vmsa,
                 x86_ldq_phys(cs, env->vm_vmcb + exit_fields[i].vmcb));
    }
    address_space_write(cpu_addressspace(cs, attrs), vmsa_pa, attrs,
                        &vmsa, sizeof(vmsa));

    svm_save_seg(env, MMU_PHYS_IDX,
                 vmsa_pa + offsetof(struct vmcb_save_area, fs),
                 &env->segs[R_FS]);
    svm_save_seg(env, MMU_PHYS_IDX,
                 vmsa_pa + offsetof(struct vmcb_save_area, gs),
                 &env->segs[R_GS]);
    svm_save_seg(env, MMU_PHYS_IDX,
                 vmsa_pa + offsetof(struct vmcb_save_area, tr), &env->tr);
    svm_save_seg(env, MMU_PHYS_IDX,
                 vmsa_pa + offsetof(struct vmcb_save_area, ldtr), &env->ldt);

    x86_stq_phys(cs, env->vm_vmcb + offsetof(struct vmcb, control.ghcb_gpa),
                 env->msr_ghcb);
}

/**
 * sev_es_load_host: load the host state that only a SEV-ES guest replaces
 * @env: the CPU; env->sev_guest is still that of the guest.  What #VMEXIT
 *       loads for every guest, but for DR7, is already that of the host
 *
 * That is the state of swap type B, which VMRUN did not save and for which
 * the hypervisor has filled in the host save area, and of type C, which is
 * reset.
 */
void sev_es_load_host(CPUX86State *env)
{
    hwaddr addr = env->vm_hsave + HSAVE_OFFSET;
    struct vmcb_save_area hsave;
    int i;

    sev_es_read(env, addr, &hsave);
    sev_es_load_vmload_state(env, addr, &hsave);
    sev_es_load_regs(env, &hsave);
    if (env->sev_guest.vmsa_features & SVM_SEV_FEAT_DEBUG_SWAP) {
        sev_es_load_dr(env, &hsave);
    }
    env->pat = ldq_le_p(&hsave.g_pat);

    env->cr[2] = 0;
    cpu_set_fpuc(env, 0x37f);
    cpu_set_fpus(env, 0);
    env->fpop = 0;
    env->fpip = 0;
    env->fpdp = 0;
    env->fpcs = 0;
    env->fpds = 0;
    memset(env->fptags, 1, sizeof(env->fptags));
    memset(env->fpregs, 0, sizeof(env->fpregs));
    cpu_set_mxcsr(env, 0x1f80);
    for (i = 0; i < CPU_NB_REGS; i++) {
        memset(&env->xmm_regs[i], 0, sizeof(env->xmm_regs[i]));
    }
}
