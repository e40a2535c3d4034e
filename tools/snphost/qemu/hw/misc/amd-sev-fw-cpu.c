/*
 * Firmware of the AMD security processor: what it asks the processors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "cpu.h"
#include "amd-sev-fw-internal.h"

bool sev_fw_cpus_hsave_clear(void)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        if (X86_CPU(cs)->env.vm_hsave) {
            return false;
        }
    }
    return true;
}

bool sev_fw_cpus_snp_enabled(SnpRmp *rmp)
{
    uint64_t syscfg = X86_CPU(first_cpu)->env.msr_syscfg;
    CPUState *cs;

    CPU_FOREACH(cs) {
        CPUX86State *env = &X86_CPU(cs)->env;

        if (!(env->msr_syscfg & MSR_AMD64_SYSCFG_SNP_EN) ||
            env->msr_syscfg != syscfg || env->msr_rmp_base != rmp->base ||
            env->msr_rmp_end != rmp->end) {
            return false;
        }
    }
    return true;
}

bool sev_fw_cpu_exists(uint32_t apic_id)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        if (X86_CPU(cs)->apic_id == apic_id) {
            return true;
        }
    }
    return false;
}

static void sev_fw_cpuid(uint32_t index, uint32_t count, uint32_t regs[4])
{
    CPUX86State *env = &X86_CPU(first_cpu)->env;
    uint32_t max = index & 0x80000000 ? env->cpuid_xlevel : env->cpuid_level;

    if (index > max) {
        memset(regs, 0, 4 * sizeof(regs[0]));
    } else {
        cpu_x86_cpuid(env, index, count, &regs[0], &regs[1], &regs[2],
                      &regs[3]);
    }
}

uint32_t sev_fw_cpu_signature(void)
{
    uint32_t regs[4];

    sev_fw_cpuid(1, 0, regs);
    return regs[0];
}

/* How a register of a CPUID function may differ from the processor's. */
typedef enum SevCpuidRule {
    RULE_SUBSET,                /* no bit that the processor has not */
    RULE_ANY,
    RULE_MAX,                   /* not more */
    RULE_EXACT,
    RULE_ZERO_OR_EXACT,
} SevCpuidRule;

#define ANY_INDEX   UINT32_MAX

typedef struct SevCpuidCheck {
    uint32_t eax, ecx;
    uint8_t rules[4];           /* of EAX, EBX, ECX, EDX */
    uint32_t ignore[4];         /* bits that are not looked at */
} SevCpuidCheck;

#define R(a, b, c, d) \
    { RULE_ ## a, RULE_ ## b, RULE_ ## c, RULE_ ## d }

/* Functions that are not here are RULE_SUBSET throughout. */
static const SevCpuidCheck sev_cpuid_checks[] = {
    { 0x0, ANY_INDEX, R(MAX, EXACT, EXACT, EXACT) },
    /*
     * EBX: all but the CLFLUSH size; ECX: OSXSAVE, hypervisor present, and
     * x2APIC, which all processors with SNP have but the CPU models do not
     */
    { 0x1, ANY_INDEX, R(MAX, EXACT, SUBSET, SUBSET),
      { 0, 0xffff00ff, CPUID_EXT_OSXSAVE | CPUID_EXT_HYPERVISOR |
        CPUID_EXT_X2APIC, 0 } },
    { 0x5, ANY_INDEX, R(ANY, ANY, ANY, ANY) },
    { 0x7, 0, R(MAX, SUBSET, SUBSET, SUBSET),
      { 0, 0, CPUID_7_0_ECX_OSPKE, 0 } },
    { 0xb, ANY_INDEX, R(ANY, ANY, ANY, ANY) },
    /* What depends on XCR0 and XSS: sizes */
    { 0xd, 0, R(SUBSET, ANY, ANY, SUBSET) },
    { 0xd, 1, R(SUBSET, ANY, SUBSET, SUBSET) },
    { 0xd, ANY_INDEX, R(ZERO_OR_EXACT, ZERO_OR_EXACT, SUBSET, SUBSET) },
    { 0x80000000, ANY_INDEX, R(MAX, EXACT, EXACT, EXACT) },
    { 0x80000001, ANY_INDEX, R(ANY, ANY, SUBSET, SUBSET) },
    { 0x80000002, ANY_INDEX, R(ANY, ANY, ANY, ANY) },
    { 0x80000003, ANY_INDEX, R(ANY, ANY, ANY, ANY) },
    { 0x80000004, ANY_INDEX, R(ANY, ANY, ANY, ANY) },
    { 0x80000005, ANY_INDEX, R(ANY, ANY, ANY, ANY) },
    { 0x80000006, ANY_INDEX, R(ANY, ANY, ANY, ANY) },
    { 0x80000008, ANY_INDEX, R(ANY, SUBSET, ANY, ANY) },
    { 0x8000001d, ANY_INDEX, R(ANY, ANY, ANY, ANY) },
    { 0x8000001e, ANY_INDEX, R(ANY, ANY, ANY, ANY) },
    /*
     * EBX: the C-bit's position alone.  How many address bits it costs a
     * guest is not what it costs the host: hypervisors say 1.
     */
    { 0x8000001f, ANY_INDEX, R(SUBSET, EXACT, ANY, ANY),
      { 0, ~0x3fU, 0, 0 } },
};

static const SevCpuidCheck *sev_cpuid_find(uint32_t eax, uint32_t ecx)
{
    static const SevCpuidCheck subset = { .rules = { RULE_SUBSET } };
    int i;

    for (i = 0; i < ARRAY_SIZE(sev_cpuid_checks); i++) {
        const SevCpuidCheck *c = &sev_cpuid_checks[i];

        if (c->eax == eax && (c->ecx == ecx || c->ecx == ANY_INDEX)) {
            return c;
        }
    }
    return &subset;
}

static uint32_t sev_cpuid_apply(SevCpuidRule rule, uint32_t val, uint32_t have)
{
    switch (rule) {
    case RULE_SUBSET:
        return val & have;
    case RULE_MAX:
        return MIN(val, have);
    case RULE_EXACT:
        return have;
    case RULE_ZERO_OR_EXACT:
        return val ? have : 0;
    default:
        return val;
    }
}

bool sev_fw_check_cpuid(SnpCpuidFunction *f)
{
    uint32_t eax = le32_to_cpu(f->eax_in), ecx = le32_to_cpu(f->ecx_in);
    const SevCpuidCheck *check;
    uint32_t have[4];
    bool ok = true;
    int i;

    /* Those of the hypervisor, or of nobody */
    if (eax & 0x7fff0000) {
        return true;
    }
    if (f->reserved) {
        ok = false;
    }
    check = sev_cpuid_find(eax, ecx);
    sev_fw_cpuid(eax, ecx, have);
    for (i = 0; i < 4; i++) {
        uint32_t val = le32_to_cpu(f->regs[i]), want;

        want = sev_cpuid_apply(check->rules[i], val, have[i]);
        want = (want & ~check->ignore[i]) | (val & check->ignore[i]);
        if (val != want) {
            f->regs[i] = cpu_to_le32(want);
            ok = false;
        }
    }
    return ok;
}
