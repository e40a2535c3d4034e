// SPDX-License-Identifier: GPL-2.0-only
/* The host's own accesses to pages that it does not own. */
#include "snp.h"

#define PG	(ARENA + 9 * PAGE)
#define NEIGH	(PG + PAGE)
#define VA	0x300000000000ull
#define WR	(PF_P | PF_W)

static volatile bool stop;
static volatile uint64_t faults, rounds;

/* On the second CPU: writes to the page until told to stop. */
static void hammer(void *arg)
{
	while (!stop) {
		if (TRY(WRITE64(arg, 1)) == TRAP_PF)
			faults++;
		rounds++;
	}
}

static void user_write(void *arg)
{
	WRITE8(arg, 1);
}

static void data_accesses(void)
{
	uint64_t old;

	WRITE64(PG, 0x1122334455667788ull);
	is(rmp_assign(PG, 0x1000, 2, false), SUCCESS, "4K page to a guest");
	is(TRY(old = READ64(PG)), NO_TRAP, "the host may read it");
	is(TRY(WRITE64(PG, 1)), TRAP_PF, "a write gives #PF");
	is(trap_self()->err, WR | PF_RMP, "  with the RMP bit");
	is(trap_self()->cr2, PG, "  CR2 is the address");
	is(READ64(PG), old, "  nothing is written");
	is(TRY(asm volatile("lock xadd %0, (%1)" : : "r"(1ull), "r"(PG)
			    : "memory")), TRAP_PF, "a locked read-write gives #PF");
	is(trap_self()->err, WR | PF_RMP, "  a write, with the RMP bit");
	is(try_user(user_write, (void *)PG), TRAP_PF, "a write at CPL 3 gives #PF");
	is(trap_self()->err, WR | PF_U | PF_RMP, "  the user's, with the RMP bit");
	is(TRY(WRITE64(NEIGH - 4, 1)), TRAP_PF,
	   "a write across its end gives #PF");
	is(trap_self()->err, WR | PF_RMP, "  with the RMP bit");
	is(TRY(WRITE64(NEIGH, 1)), NO_TRAP, "the next page can be written");

	/* paging goes before the RMP */
	map(VA, PG, 1, PT_P);
	is(TRY(WRITE64(VA, 1)), TRAP_PF, "a write through a read-only mapping");
	is(trap_self()->err, WR, "  is an ordinary page fault");

	is(rmp_share(PG, false), SUCCESS, "the page back to the host");
	is(TRY(WRITE64(PG, 1)), NO_TRAP, "it can be written again");

	is(rmp_assign(PG, 0, 0, false), SUCCESS, "4K page to the firmware");
	is(TRY(WRITE64(PG, 1)), TRAP_PF, "a write gives #PF");
	is(trap_self()->err, WR | PF_RMP, "  with the RMP bit");
}

static void walks(void)
{
	uint64_t *pt = (uint64_t *)(ARENA + 0x20 * PAGE);
	uint64_t *data = alloc_page();

	/* a page table of our own at level 1 under VA */
	memset(pt, 0, PAGE);
	pt[0] = (uint64_t)data | PT_P | PT_W;
	pt[1] = (uint64_t)data | PT_P | PT_W | PT_A | PT_D;
	pt[2] = (uint64_t)data | PT_P | PT_W | PT_A;
	*va_entry(VA + PAGE_2M, 2) = (uint64_t)pt | PT_P | PT_W | PT_A;
	write_cr3(read_cr3());
	is(rmp_assign((uint64_t)pt, 0x2000, 2, false), SUCCESS,
	   "a page table's page to a guest");

	is(TRY((void)READ8(VA + PAGE_2M + PAGE)), NO_TRAP,
	   "a walk that sets no bit may read it");
	is(TRY(WRITE8(VA + PAGE_2M + PAGE, 1)), NO_TRAP,
	   "also for a write with A and D set");
	is(TRY((void)READ8(VA + PAGE_2M)), TRAP_PF,
	   "a walk that sets the accessed bit gives #PF");
	ok(trap_self()->err & PF_RMP, "  with the RMP bit (0x%lx)",
	   trap_self()->err);
	is(trap_self()->cr2, VA + PAGE_2M, "  CR2 is the address that is walked");
	is(pt[0] & PT_A, 0, "  the bit is not set");
	is(TRY(WRITE8(VA + PAGE_2M + 2 * PAGE, 1)), TRAP_PF,
	   "a walk that sets the dirty bit gives #PF");
	ok(trap_self()->err & PF_RMP, "  with the RMP bit (0x%lx)",
	   trap_self()->err);
	is(pt[2] & PT_D, 0, "  the bit is not set");
	is(rmp_share((uint64_t)pt, false), SUCCESS, "the page back to the host");
	is(TRY((void)READ8(VA + PAGE_2M)), NO_TRAP, "the walk works again");
	is(pt[0] & PT_A, PT_A, "  and sets the bit");
}

static void large(void)
{
	uint64_t big = ARENA + 0x10 * PAGE_2M, va = VA + BIT(32);

	map(va, big, 2, PT_P | PT_W | PT_A | PT_D);
	is(TRY(WRITE64(va + 7 * PAGE, 1)), NO_TRAP, "a 2M mapping can be written");
	is(rmp_assign(big + 3 * PAGE, 0x5000, 2, false), SUCCESS,
	   "one of its 4K pages to a guest");
	is(TRY((void)READ64(va + 3 * PAGE)), NO_TRAP, "the host may read it");
	is(TRY(WRITE64(va + 3 * PAGE, 1)), TRAP_PF, "a write there gives #PF");
	is(trap_self()->err, WR | PF_RMP, "  with the RMP bit");
	is(TRY(WRITE64(va + 7 * PAGE, 1)), TRAP_PF,
	   "a write elsewhere in the 2M mapping gives #PF as well");
	is(trap_self()->err, WR | PF_RMP, "  with the RMP bit");
	va_entry(va, 1);
	write_cr3(read_cr3());
	is(TRY(WRITE64(va + 7 * PAGE, 1)), NO_TRAP,
	   "with 4K mappings that write works");
	is(TRY(WRITE64(va + 3 * PAGE, 1)), TRAP_PF, "and the other still faults");
	is(rmp_share(big + 3 * PAGE, false), SUCCESS, "the page back to the host");

	map(va + BIT(30), big, 2, PT_P | PT_W | PT_A | PT_D);
	is(rmp_assign(big, 0x40000000, 2, true), SUCCESS, "a 2M page to a guest");
	is(TRY(WRITE64(va + BIT(30) + 0x1ff000, 1)), TRAP_PF,
	   "a write to its end through 2M gives #PF");
	is(trap_self()->err, WR | PF_RMP, "  with the RMP bit");
	is(TRY(WRITE64(va + 0x1ff000, 1)), TRAP_PF,
	   "a write to its end through 4K gives #PF");
	is(rmp_share(big, true), SUCCESS, "the 2M page back to the host");
	is(TRY(WRITE64(va + BIT(30) + 0x1ff000, 1)), NO_TRAP,
	   "it can be written again");
}

/* A change by this CPU takes effect on the other at once. */
static void other_cpu(void)
{
	uint64_t pg = ARENA + 0x60 * PAGE, before, r;
	unsigned int i, late = 0, stuck = 0;

	map_4k_identity(pg, PAGE);
	smp_run(1, hammer, (void *)pg);
	for (i = 0; i < 200; i++) {
		rmp_assign(pg, 0x3000, 2, false);
		/* the write that was under way has ended two rounds later */
		r = rounds;
		while (rounds < r + 2)
			pause();
		r = rounds;
		before = faults;
		while (rounds < r + 3)
			pause();
		if (faults - before < 2)
			late++;
		rmp_share(pg, false);
		r = rounds;
		while (rounds < r + 2)
			pause();
		r = rounds;
		before = faults;
		while (rounds < r + 3)
			pause();
		if (faults != before)
			stuck++;
	}
	stop = true;
	smp_wait(1);
	is(late, 0, "a page assigned here faults on the other CPU");
	is(stuck, 0, "a page shared here can be written on the other CPU");
	ok(rounds > 200, "the other CPU made progress (%lu rounds)", rounds);
}

void test_main(void)
{
	snp_require();
	map_4k_identity(ARENA, PAGE_2M);
	snp_enable();
	data_accesses();
	walks();
	large();
	other_cpu();
}
