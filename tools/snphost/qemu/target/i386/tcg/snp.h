/*
 * AMD SEV-SNP: what the CPU checks against the reverse map table
 *
 * See AMD64 Architecture Programmer's Manual (APM), volume 2, 15.36.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef I386_TCG_SNP_H
#define I386_TCG_SNP_H

#include "cpu.h"

/* Error code bits of #PF (the first) and of the nested page fault. */
#define SNP_PF_RMP              (1ULL << 31)
#define SNP_NPF_ENC             (1ULL << 34)
#define SNP_NPF_SIZEM           (1ULL << 35)
#define SNP_NPF_VMPL            (1ULL << 36)
/*
 * Not of the manual: the nested walk found a page that the guest has not
 * validated.  That is no nested page fault but #VC in the guest.
 */
#define SNP_NPF_NOT_VALIDATED   (1ULL << 63)

/* Error code of #VC for an access to a page that is not validated. */
#define SNP_VC_PAGE_NOT_VALIDATED 0x404

/**
 * snp_checks: does this CPU check its accesses against the RMP?
 * @env: CPU state
 */
static inline bool snp_checks(CPUX86State *env)
{
    return env->msr_syscfg & MSR_AMD64_SYSCFG_SNP_EN;
}

/**
 * snp_host_writable: may somebody who is not the owner write to a page?
 * @env: CPU state
 * @spa: system physical address
 * @page_size: size of the page that the translation uses, in bytes
 *
 * The check for writes of the hypervisor, of guests without SNP, and of SNP
 * guests to shared pages: all of the page must belong to the hypervisor.
 * Sees a change of the RMP at the latest once the TLB of this CPU has been
 * flushed after it; so use it to fill the TLB.
 */
bool snp_host_writable(CPUX86State *env, hwaddr spa, uint64_t page_size);

/**
 * snp_guest_check: check an access of an SNP guest to its private memory
 * @env: CPU state, inside an SNP guest
 * @spa: system physical address of the 4K page
 * @gpa: guest physical address of the 4K page, without C-bit
 * @page_size: size of the nested translation, in bytes
 * @access_type: what the guest wants to do
 * @prot: where to store what the RMP lets the guest do: PAGE_READ,
 *        PAGE_WRITE, PAGE_EXEC.  PAGE_EXEC is given if the page is executable
 *        at any CPL, see snp_guest_exec_ok().
 *
 * Returns: 0, or the bits of the nested page fault's error code that say what
 * is wrong
 */
uint64_t snp_guest_check(CPUX86State *env, hwaddr spa, hwaddr gpa,
                         uint64_t page_size, MMUAccessType access_type,
                         int *prot);

/**
 * snp_guest_exec_ok: may the SNP guest execute a private page at this CPL?
 * @env: CPU state, inside an SNP guest
 * @spa: system physical address
 * @is_user: CPL 3?
 */
bool snp_guest_exec_ok(CPUX86State *env, hwaddr spa, bool is_user);

/**
 * snp_vmcb_claim: mark the page of a VMCB as in use
 * @env: CPU state
 * @pa: system physical address of the VMCB
 *
 * For VMRUN: until snp_page_release() RMPUPDATE fails for the page.
 *
 * Returns: false if the page does not belong to the hypervisor
 */
bool snp_vmcb_claim(CPUX86State *env, hwaddr pa);

/**
 * snp_page_release: the CPU uses the page of a VMCB or a VMSA no more
 * @env: CPU state
 * @pa: system physical address of the page
 *
 * Undoes snp_vmcb_claim(), and what sev_vmrun_enter() does with a VMSA.
 */
void snp_page_release(CPUX86State *env, hwaddr pa);

/**
 * SnpGuestPage: where a linear address of an SNP guest leads to
 * @spa: system physical address
 * @gpa: guest physical address, without C-bit
 * @guest_size: size of the guest's translation, in bytes
 * @nested_size: size of the nested translation, in bytes
 * @priv: C-bit
 */
typedef struct SnpGuestPage {
    hwaddr spa;
    hwaddr gpa;
    uint64_t guest_size;
    uint64_t nested_size;
    bool priv;
} SnpGuestPage;

/**
 * snp_guest_translate: translate for PVALIDATE, RMPADJUST and RMPQUERY
 * @env: CPU state, inside an SNP guest
 * @va: linear address
 * @page: where to store the result
 * @ra: return address into generated code
 *
 * Like a read of one byte, but without RMP checks of the page itself.  Page
 * faults and nested page faults do not return.
 */
void snp_guest_translate(CPUX86State *env, target_ulong va,
                         SnpGuestPage *page, uintptr_t ra);

/**
 * snp_raise_npf: nested page fault of an instruction of an SNP guest
 * @env: CPU state, inside an SNP guest
 * @page: the page, as found by snp_guest_translate()
 * @error_code: RMP bits of the error code
 * @ra: return address into generated code
 */
G_NORETURN void snp_raise_npf(CPUX86State *env, const SnpGuestPage *page,
                              uint64_t error_code, uintptr_t ra);

/**
 * snp_raise_not_validated: #VC for an access to a page not validated
 * @env: CPU state, inside an SNP guest
 * @va: linear address
 * @ra: return address into generated code
 */
G_NORETURN void snp_raise_not_validated(CPUX86State *env, target_ulong va,
                                        uintptr_t ra);

/**
 * snp_rdmsr: read an MSR of memory encryption or SEV-SNP
 * @env: CPU state; X86CPU.rmp is set
 * @msr: number of the MSR
 * @val: where to store the value
 * @ra: return address into generated code, for #GP
 *
 * Returns: false if the MSR is none of these
 */
bool snp_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val, uintptr_t ra);

/**
 * snp_wrmsr: write an MSR of memory encryption or SEV-SNP
 * @env: CPU state; X86CPU.rmp is set
 * @msr: number of the MSR
 * @val: value
 * @ra: return address into generated code, for #GP
 *
 * Also checks writes of MSRs that SEV-SNP does not let everybody write.
 *
 * Returns: false if somebody else has to write the MSR
 */
bool snp_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val, uintptr_t ra);

#endif /* I386_TCG_SNP_H */
