// SPDX-License-Identifier: GPL-2.0-only
/* RMPUPDATE: faults, checks, result codes, flags, what it writes. */
#include "snp.h"

#define PG	(ARENA + 5 * PAGE)
#define BIG	(ARENA + 4 * PAGE_2M)
#define GPA	0x7654000ull
#define ASID	3

static const struct rmp_state guest_page = {
	.gpa = GPA, .assigned = 1, .asid = ASID,
};

static void user_rmpupdate(void *arg)
{
	asm volatile(".byte 0xf2, 0x0f, 0x01, 0xfe"
		     : : "a"(PG), "c"(arg) : "memory", "cc");
}

/* The instruction in a 32-bit code segment: gives the vector. */
static int compat_rmpupdate(void)
{
	return TRY(asm volatile("push $0x08\n\t"
				"lea 1f(%%rip), %%rdx\n\t"
				"push %%rdx\n\t"
				"lretq\n\t"
				".code32\n"
				"1:\t.byte 0xf2, 0x0f, 0x01, 0xfe\n\t"
				"ud2\n\t"
				".code64"
				: : "a"(PG), "c"(&guest_page)
				: "rdx", "memory", "cc"));
}

static void faults(void)
{
	uint64_t no_page = 0x200000000000ull;

	is(rmpupdate(PG, (void *)no_page), TRAPPED(TRAP_PF),
	   "operand on no page: #PF");
	is(trap_self()->cr2, no_page, "  CR2 is the operand");
	is(trap_self()->err, 0, "  a read of a page that is not present");
	is(rmpupdate(PG, (void *)BIT(63)), TRAPPED(TRAP_GP),
	   "operand not canonical: #GP");
	is(try_user(user_rmpupdate, (void *)&guest_page), TRAP_GP,
	   "CPL 3: #GP");
	is(compat_rmpupdate(), TRAP_UD, "compatibility mode: #UD");
	is(rmp_entry(PG), 0, "the entry has not changed");
}

static void check_flags(int result)
{
	uint64_t all = RFLAGS_OF | RFLAGS_ZF | RFLAGS_AF | RFLAGS_PF | RFLAGS_SF;
	uint64_t want = 0;

	/* as an instruction that computed the result would leave them */
	if (!result)
		want |= RFLAGS_ZF;
	if (!(__builtin_popcount(result & 0xff) & 1))
		want |= RFLAGS_PF;
	is(rmp_flags & (all & ~RFLAGS_AF), want, "  flags follow result %d",
	   result);
}

static void refused(uint64_t spa, struct rmp_state s, int want, const char *what)
{
	uint64_t before = rmp_entry(spa & ~(PAGE - 1));

	is(rmpupdate(spa, &s), want, "%s", what);
	is(rmp_entry(spa & ~(PAGE - 1)), before, "  and changes nothing");
}

static void input(void)
{
	uint64_t covered = (rdmsr(MSR_RMP_END) + 1 - rdmsr(MSR_RMP_BASE) -
			    RMP_BOOKKEEPING) / RMP_ENTRY_SIZE * PAGE;
	struct rmp_state s;

	s = guest_page;
	is(rmpupdate(covered, &s), FAIL_INPUT, "page not covered: FAIL_INPUT");
	check_flags(FAIL_INPUT);
	is(rmpupdate(covered - PAGE, &(struct rmp_state){ }), SUCCESS,
	   "the last page covered: success");
	s.size_2m = 1;
	s.gpa = 0x40000000;
	refused(BIG + PAGE, s, FAIL_INPUT, "2M page at a 4K address: FAIL_INPUT");
	s = (struct rmp_state){ .asid = ASID };
	refused(PG, s, FAIL_INPUT, "an ASID and not assigned: FAIL_INPUT");
	s = (struct rmp_state){ .immutable = 1 };
	refused(PG, s, FAIL_INPUT, "immutable and not assigned: FAIL_INPUT");
	s = guest_page;
	s.gpa += 8;
	refused(PG, s, FAIL_INPUT, "guest address within a page: FAIL_INPUT");
	s = guest_page;
	s.size_2m = 1;
	refused(BIG, s, FAIL_INPUT, "2M page at a 4K guest address: FAIL_INPUT");
	s = guest_page;
	s.rsvd = 1;
	refused(PG, s, FAIL_INPUT, "a reserved field is set: FAIL_INPUT");
	s = guest_page;
	s.asid = cpuid(0x8000001f, 0).c + 1;
	refused(PG, s, FAIL_INPUT, "ASID beyond the last: FAIL_INPUT");
}

static void assign_4k(void)
{
	struct rmp_state s = guest_page;

	is(rmpupdate(PG, &s), SUCCESS, "4K page to a guest");
	check_flags(SUCCESS);
	is(rmp_entry(PG), rmp_fresh(GPA, ASID, 0), "  the entry says so");
	is(rmp_entry(PG + PAGE), 0, "  the next one is untouched");
	is(rmpupdate(PG + 0x123, &s), SUCCESS, "address bits 11:0 are ignored");

	s.gpa += PAGE;
	s.asid++;
	is(rmpupdate(PG, &s), SUCCESS, "again, to another guest");
	is(rmp_entry(PG), rmp_fresh(GPA + PAGE, ASID + 1, 0),
	   "  the entry says so");
	is(rmp_share(PG, false), SUCCESS, "back to the host");
	is(rmp_entry(PG) & (RMP_ASSIGNED | RMP_ASID(0x3ff) | RMP_IMMUTABLE |
			    RMP_VALIDATED | RMP_VMSA), 0,
	   "  the entry says so");
}

static void assign_2m(void)
{
	struct rmp_state s = guest_page;

	s.gpa = 0x40000000;
	s.size_2m = 1;
	is(rmpupdate(BIG, &s), SUCCESS, "2M page to a guest");
	is(rmp_entry(BIG), rmp_fresh(s.gpa, ASID, RMP_2M), "  the entry says so");
	ok(rmp_entry(BIG + PAGE_2M - PAGE) & RMP_ASSIGNED,
	   "  the last 4K page is assigned");
	is(rmp_entry(BIG + PAGE_2M), 0, "  the next one is untouched");

	s = guest_page;
	refused(BIG, s, FAIL_OVERLAP, "4K on top of the 2M page: FAIL_OVERLAP");
	check_flags(FAIL_OVERLAP);
	refused(BIG, (struct rmp_state){ }, FAIL_OVERLAP,
		"4K back to the host on top of the 2M page: FAIL_OVERLAP");
	is(rmp_share(BIG, true), SUCCESS, "the 2M page back to the host");
	is(rmp_entry(BIG) & RMP_ASSIGNED, 0, "  the first page is");
	is(rmp_entry(BIG + PAGE_2M - PAGE) & RMP_ASSIGNED, 0, "  the last page is");

	is(rmpupdate(BIG + 77 * PAGE, &guest_page), SUCCESS,
	   "4K page inside that 2M");
	s.gpa = 0x40000000;
	s.size_2m = 1;
	refused(BIG, s, FAIL_OVERLAP, "2M over an assigned 4K: FAIL_OVERLAP");
	is(rmp_share(BIG + 77 * PAGE, false), SUCCESS, "the 4K page back");
	is(rmpupdate(BIG, &s), SUCCESS, "now 2M works");
	is(rmp_share(BIG, true), SUCCESS, "and back to the host");
}

static void immutable(void)
{
	struct rmp_state fw = { .assigned = 1, .immutable = 1 };

	is(rmpupdate(PG, &fw), SUCCESS, "page to the firmware (immutable)");
	is(rmp_entry(PG), RMP_ASSIGNED | RMP_IMMUTABLE, "  the entry says so");
	refused(PG, (struct rmp_state){ }, FAIL_PERMISSION,
		"an immutable page back to the host: FAIL_PERMISSION");
	check_flags(FAIL_PERMISSION);
	refused(PG, guest_page, FAIL_PERMISSION,
		"an immutable page to a guest: FAIL_PERMISSION");
}

void test_main(void)
{
	snp_require();
	is(rmpupdate(PG, &guest_page), TRAPPED(TRAP_UD), "SNP_EN clear: #UD");
	snp_enable();
	faults();
	input();
	assign_4k();
	assign_2m();
	immutable();
}
