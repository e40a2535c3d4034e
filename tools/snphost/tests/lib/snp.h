/* SPDX-License-Identifier: GPL-2.0-only */
/* SEV-SNP as the hypervisor sees it: APM volume 2, sections 15.34 to 15.36. */
#ifndef SNP_H
#define SNP_H

#include "lib.h"

#define MSR_SYSCFG		0xc0010010
#define SYSCFG_MEM_ENCRYPT	BIT(23)
#define SYSCFG_MFDM		BIT(19)
#define SYSCFG_SNP_EN		BIT(24)
#define SYSCFG_VMPL_EN		BIT(25)
#define MSR_HWCR		0xc0010015
#define HWCR_SMMLOCK		BIT(0)
#define MSR_VM_HSAVE_PA		0xc0010117
#define MSR_GHCB		0xc0010130
#define MSR_SEV_STATUS		0xc0010131
#define MSR_RMP_BASE		0xc0010132
#define MSR_RMP_END		0xc0010133
#define MSR_EFER		0xc0000080
#define EFER_SVME		BIT(12)

#define RMP_BOOKKEEPING		0x4000ull
#define RMP_ENTRY_SIZE		16

/* What RMPUPDATE and the others return in EAX. */
#define SUCCESS			0
#define FAIL_INPUT		1
#define FAIL_PERMISSION		2
#define FAIL_INUSE		3
#define FAIL_OVERLAP		4
#define FAIL_SIZEMISMATCH	6
#define FAIL_BADADDR		7

#define RFLAGS_CF		BIT(0)
#define RFLAGS_PF		BIT(2)
#define RFLAGS_AF		BIT(4)
#define RFLAGS_ZF		BIT(6)
#define RFLAGS_SF		BIT(7)
#define RFLAGS_OF		BIT(11)

/* Error code bits of a host's #PF and of a nested page fault */
#define PF_P			BIT(0)
#define PF_W			BIT(1)
#define PF_U			BIT(2)
#define PF_RSVD			BIT(3)
#define PF_I			BIT(4)
#define PF_RMP			BIT(31)
#define NPF_FINAL		BIT(32)	/* the guest's own access */
#define NPF_TABLE		BIT(33)	/* its page table's walk */
#define NPF_ENC			BIT(34)
#define NPF_SIZEM		BIT(35)
#define NPF_VMPL		BIT(36)

/* Operand of RMPUPDATE */
struct rmp_state {
	uint64_t gpa;
	uint8_t assigned;
	uint8_t size_2m;
	uint8_t immutable;
	uint8_t rsvd;
	uint32_t asid;
} __attribute__((packed));

/* Low half of an RMP entry in memory, as family 19h has it */
#define RMP_ASSIGNED		BIT(0)
#define RMP_2M			BIT(1)
#define RMP_IMMUTABLE		BIT(2)
#define RMP_GPA			0x0007fffffffff000ull
#define RMP_ASID(n)		((uint64_t)(n) << 51)
#define RMP_VMSA		BIT(61)
#define RMP_VALIDATED		BIT(62)

/* The low half of the entry of a page. */
uint64_t rmp_entry(uint64_t spa);
/* What RMPUPDATE makes of that state for a 4K page. */
uint64_t rmp_fresh(uint64_t gpa, unsigned int asid, uint64_t flags);

/* RFLAGS after the last rmpupdate() or psmash() */
extern uint64_t rmp_flags;

/* Result in EAX, or 0x100 + vector of the exception. */
int rmpupdate(uint64_t spa, const struct rmp_state *s);
int psmash(uint64_t spa);
#define TRAPPED(vector)		(0x100 + (vector))

/* rmpupdate() to what a guest (asid 0: the firmware) or the host owns. */
int rmp_assign(uint64_t spa, uint64_t gpa, unsigned int asid, bool size_2m);
int rmp_share(uint64_t spa, bool size_2m);

/*
 * Turns SNP on as a kernel does: the table zeroed, then SYSCFG on all CPUs.
 * The firmware is not asked. Starts the other CPUs if they are not yet up.
 */
void snp_enable(void);
bool snp_supported(void);

/* All of it for the programs that can do nothing without: bails out. */
void snp_require(void);

/* Bit of the physical address that says "private" in a guest's page table */
uint64_t c_bit(void);

#endif
