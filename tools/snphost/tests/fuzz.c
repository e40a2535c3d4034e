// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random RMP instructions on one CPU, while the other one enters guests with
 * random states. Whatever comes of it follows rules: an instruction succeeds if
 * and only if it may, one that fails changes nothing, the host can write what is
 * not assigned, each VMRUN ends with an exit that there is, and lets go of the
 * VMSA, and a guest that is put right runs.
 *
 * "run" gives it a seed (FUZZ_SEED) and how long to go on (FUZZ_ROUNDS).
 */
#include "svm.h"

#define BLOCKS		4
#define BLOCK_PAGES	(PAGE_2M / PAGE)
#define PAGES		(BLOCKS * BLOCK_PAGES)
#define ES_ASID		1
#define SNP_ASID	2
#define VMSAS		64
#define VMSA_GPA	0xfffffffff000ull
#define FIELDS		8

#define APIC_TIMER	0xfee00320ull
#define APIC_COUNT	0xfee00380ull
#define APIC_DIVIDE	0xfee003e0ull
#define TIMER_PERIODIC	BIT(17)
#define TIMER_MASKED	BIT(16)

SNIPPET(i_nop, "nop");

static uint64_t rounds;

/* ---- random numbers, of one CPU each ---- */

struct random {
	uint64_t state;
};

static uint64_t next(struct random *r)
{
	/* xorshift */
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return r->state;
}

static uint64_t below(struct random *r, uint64_t n)
{
	return next(r) % n;
}

static bool one_in(struct random *r, uint64_t n)
{
	return !below(r, n);
}

/* A value for a field that has old. */
static uint64_t value(struct random *r, uint64_t old)
{
	switch (below(r, 6)) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return next(r);
	case 3:
		return below(r, 16);
	default:
		return old ^ BIT(below(r, 64));
	}
}

/* ---- the RMP ---- */

/* What a page of the region is; all of a 2M page are big. */
struct state {
	uint64_t gpa;
	uint32_t asid;
	bool assigned, immutable, big;
};

static struct {
	struct random random;
	uint64_t base;
	struct state pages[PAGES];
	uint64_t successes, failures, faults;
	/* the first thing that was not as it should be */
	const char *wrong;
	uint64_t page, got, want;
} rmp;

static bool wrong(const char *what, uint64_t page, uint64_t got, uint64_t want)
{
	if (!rmp.wrong) {
		rmp.page = page;
		rmp.got = got;
		rmp.want = want;
		rmp.wrong = what;
	}
	return false;
}

/* The entries of the block that page is in say what the model does. */
static bool compare(uint64_t page)
{
	uint64_t all = RMP_ASSIGNED | RMP_2M | RMP_IMMUTABLE | RMP_VMSA |
		       RMP_VALIDATED | RMP_GPA | RMP_ASID(0x3ff);
	uint64_t first = page & ~(BLOCK_PAGES - 1), i, entry, want;

	for (i = first; i < first + BLOCK_PAGES; i++) {
		struct state *s = &rmp.pages[i];

		entry = rmp_entry(rmp.base + i * PAGE);
		if (!s->assigned || (s->big && i != first)) {
			/* of these the manual says no more */
			entry &= RMP_ASSIGNED;
			want = s->assigned ? RMP_ASSIGNED : 0;
		} else {
			entry &= all;
			want = rmp_fresh(s->gpa, s->asid,
					 (s->big ? RMP_2M : 0) |
					 (s->immutable ? RMP_IMMUTABLE : 0));
		}
		if (entry != want)
			return wrong("an entry", i, entry, want);
	}
	return true;
}

/* May RMPUPDATE do that to the page? */
static bool may(uint64_t page, const struct rmp_state *s)
{
	struct state *old = &rmp.pages[page];
	uint64_t i;

	if (s->assigned > 1 || s->size_2m > 1 || s->immutable > 1 || s->rsvd)
		return false;
	if (!s->assigned && (s->asid || s->immutable))
		return false;
	if (s->asid > cpuid(0x8000001f, 0).c)
		return false;
	if (s->assigned && (s->gpa & ((s->size_2m ? PAGE_2M : PAGE) - 1)))
		return false;
	if (s->size_2m && page % BLOCK_PAGES)
		return false;
	if (old->immutable || (old->big && !s->size_2m))
		return false;
	if (!s->size_2m || old->big)
		return true;
	for (i = 0; i < BLOCK_PAGES; i++) {
		if (old[i].assigned)
			return false;
	}
	return true;
}

static bool random_rmpupdate(uint64_t page)
{
	struct random *r = &rmp.random;
	struct rmp_state s = { };
	uint64_t i, n;
	bool want;
	int got;

	s.size_2m = one_in(r, 4);
	if (!one_in(r, 3)) {
		s.assigned = 1;
		s.asid = 1 + below(r, 8);
		s.immutable = one_in(r, 8);
		if (s.immutable && one_in(r, 2))
			s.asid = 0;
		s.gpa = below(r, 1 << 20) * (s.size_2m ? PAGE_2M : PAGE);
	}
	switch (below(r, 24)) {
	case 0:
		((uint8_t *)&s)[below(r, sizeof(s))] ^= BIT(below(r, 8));
		break;
	case 1:
		s.asid = value(r, s.asid);
		break;
	}
	/* what RMP entries have room for */
	s.gpa &= RMP_GPA | (PAGE - 1);
	if (s.size_2m && !one_in(r, 8))
		page &= ~(BLOCK_PAGES - 1);

	want = may(page, &s);
	got = rmpupdate(rmp.base + page * PAGE + below(r, PAGE), &s);
	if ((got == SUCCESS) != want || got >= TRAPPED(0))
		return wrong("RMPUPDATE's result", page, got, want);
	if (got == SUCCESS) {
		rmp.successes++;
		n = s.size_2m ? BLOCK_PAGES : 1;
		for (i = 0; i < n; i++)
			rmp.pages[page + i] = (struct state){
				.gpa = s.gpa, .asid = s.asid, .assigned = s.assigned,
				.immutable = s.immutable, .big = s.assigned && s.size_2m,
			};
	} else {
		rmp.failures++;
	}
	return compare(page);
}

static bool random_psmash(uint64_t page)
{
	struct state *s;
	uint64_t i;
	bool want;
	int got;

	if (!one_in(&rmp.random, 8))
		page &= ~(BLOCK_PAGES - 1);
	s = &rmp.pages[page];
	want = !(page % BLOCK_PAGES) && s->big && !s->immutable;
	got = psmash(rmp.base + page * PAGE);
	if ((got == SUCCESS) != want || got >= TRAPPED(0))
		return wrong("PSMASH's result", page, got, want);
	for (i = 0; got == SUCCESS && i < BLOCK_PAGES; i++) {
		s[i].big = false;
		s[i].gpa = s->gpa + i * PAGE;
	}
	return compare(page);
}

static bool random_write(uint64_t page)
{
	struct state *s = &rmp.pages[page];
	int got = TRY(WRITE64(rmp.base + page * PAGE, page));

	if (got != (s->assigned ? TRAP_PF : NO_TRAP))
		return wrong("a write by the host", page, got, s->assigned);
	if (s->assigned) {
		rmp.faults++;
		if (!(trap_self()->err & PF_RMP))
			return wrong("the error code", page, trap_self()->err, PF_RMP);
	}
	return true;
}

/* What is immutable can't be had back without the firmware. */
static bool reclaim(uint64_t page)
{
	static uint64_t buf;
	struct state *s = &rmp.pages[page];
	uint64_t i, n = s->big ? BLOCK_PAGES : 1;
	unsigned int got;

	if (s->big) {
		page &= ~(BLOCK_PAGES - 1);
		s = &rmp.pages[page];
	}
	buf = (rmp.base + page * PAGE) | s->big;
	got = psp_cmd(SNP_PAGE_RECLAIM, &buf);
	if (got)
		return wrong("PAGE_RECLAIM's status", page, got, 0);
	got = rmp_share(rmp.base + page * PAGE, s->big);
	if (got != SUCCESS)
		return wrong("RMPUPDATE of a reclaimed page", page, got, SUCCESS);
	for (i = 0; i < n; i++)
		s[i] = (struct state){ };
	return compare(page);
}

static void fuzz_rmp(void *arg)
{
	struct random *r = &rmp.random;
	uint64_t i, page;
	bool good = true;

	(void)arg;
	for (i = 0; good && i < 4 * rounds; i++) {
		/* Mostly two blocks, so that there is something to meet. */
		page = below(r, one_in(r, 4) ? PAGES : 2 * BLOCK_PAGES);
		if (one_in(r, 2))
			page = (page & ~(BLOCK_PAGES - 1)) + below(r, 4);
		switch (below(r, 8)) {
		case 0:
			good = random_psmash(page);
			break;
		case 1:
		case 2:
			good = random_write(page);
			break;
		case 3:
			good = reclaim(page);
			break;
		default:
			good = random_rmpupdate(page);
		}
	}
}

/* ---- guests ---- */

static struct random random;
static struct vm es, snp;
static uint8_t good_vmcb[PAGE], good_vmsa[PAGE], good_mem[GUEST_PAGES][PAGE];
static uint64_t exits[EXIT_NOT_VALIDATED + 1], invalid;

/* Changes a few fields in the first len bytes. */
static void mutate(void *page, unsigned int len)
{
	uint64_t n = 1 + below(&random, FIELDS), off;

	while (n--) {
		off = below(&random, len / 8) * 8;
		switch (below(&random, 4)) {
		case 0:
			off += below(&random, 8);
			F8(page, off) = value(&random, F8(page, off));
			break;
		case 1:
			off += below(&random, 2) * 4;
			F32(page, off) = value(&random, F32(page, off));
			break;
		default:
			F64(page, off) = value(&random, F64(page, off));
		}
	}
}

/* What keeps the guest in its memory, and lets the host go on. */
static void confine(struct vm *vm)
{
	void *c = vm->vmcb;

	F32(c, VMCB_MISC1) |= MISC1_INTR | MISC1_SHUTDOWN | MISC1_IOIO | MISC1_MSR;
	F32(c, VMCB_MISC2) |= 0xff;
	F64(c, VMCB_IOPM) = F64(good_vmcb, VMCB_IOPM);
	F64(c, VMCB_MSRPM) = F64(good_vmcb, VMCB_MSRPM);
	F64(c, VMCB_VINTR) |= VINTR_MASKING;
	F64(c, VMCB_NESTED) |= NESTED_NP | NESTED_SEV | NESTED_ES;
	F64(c, VMCB_NCR3) = (uint64_t)vm->npt;
	F64(c, VMCB_VMSA) = (uint64_t)vm->vmsa;
}

/* An exit that there is. */
static bool count(uint64_t code)
{
	if (code == EXIT_INVALID || code == EXIT_BUSY) {
		invalid++;
		return true;
	}
	if (code >= ARRAY_LEN(exits) || (code > 0xff && code < EXIT_NPF))
		return false;
	exits[code]++;
	return true;
}

static void on_timer(int vector)
{
	(void)vector;
}

/* So that no guest runs for long. */
static void timer(bool on)
{
	irq_hook = on_timer;
	WRITE32(APIC_DIVIDE, 0xb);
	WRITE32(APIC_TIMER, on ? TIMER_PERIODIC | 0x40 : TIMER_MASKED);
	WRITE32(APIC_COUNT, on ? 500000 : 0);
	if (on)
		asm volatile("sti");
	else
		asm volatile("cli");
}

static void save(struct vm *vm)
{
	unsigned int i;

	/* All I/O and MSRs are the host's business. */
	memset((void *)F64(vm->vmcb, VMCB_IOPM), 0xff, 3 * PAGE);
	memset((void *)F64(vm->vmcb, VMCB_MSRPM), 0xff, 2 * PAGE);
	memcpy(good_vmcb, vm->vmcb, PAGE);
	memcpy(good_vmsa, vm->vmsa, PAGE);
	for (i = 0; i < GUEST_PAGES; i++)
		memcpy(good_mem[i], (void *)vm->mem[i], PAGE);
}

static void fuzz_es(void)
{
	uint64_t i, code, bad = 0, bad_code = 0, dead = 0;
	unsigned int p;

	vm_start(&es, false, ES_ASID);
	save(&es);
	timer(true);
	for (i = 0; i < rounds; i++) {
		memcpy(es.vmsa, good_vmsa, PAGE);
		memcpy(es.vmcb, good_vmcb, PAGE);
		F8(es.vmcb, VMCB_TLB) = 3;
		if (i % 16 == 15) {
			for (p = 0; p < GUEST_PAGES; p++)
				memcpy((void *)es.mem[p], good_mem[p], PAGE);
			es.faulted = false;
			vm_prepare(&es, i_nop_start, i_nop_end - i_nop_start,
				   &(struct guest_in){ });
			do {
				code = vm_run(&es);
			} while (code == EXIT_INTR);
			if (code != EXIT_VMGEXIT || es.comm->vector != NO_TRAP)
				dead++;
			continue;
		}
		if (!one_in(&random, 4))
			mutate(es.vmsa, 0x680);
		if (one_in(&random, 2))
			mutate(es.vmcb, 0x3e0);
		confine(&es);
		code = vmrun_raw((uint64_t)es.vmcb);
		if (!count(code)) {
			bad++;
			bad_code = code;
		}
	}
	timer(false);
	is(bad, 0, "SEV-ES: each VMRUN ends with an exit that there is (0x%lx)", bad_code);
	is(dead, 0, "SEV-ES: the guest runs if it is put right");
}

static void fuzz_snp(void)
{
	static uint64_t vmsas[VMSAS];
	uint64_t i, n, code, bad = 0, bad_code = 0, lost = 0, kept = 0;

	vm_init(&snp, true, SNP_ASID);
	save(&snp);
	vm_launch_begin(&snp);
	for (i = 0; i < VMSAS; i++) {
		vmsas[i] = arena_page();
		memcpy((void *)vmsas[i], good_vmsa, PAGE);
		mutate((void *)vmsas[i], 0x680);
		vm_launch_page(&snp, vmsas[i], VMSA_GPA, PAGE_VMSA);
	}
	vm_launch_finish(&snp);

	smp_run(1, fuzz_rmp, NULL);
	timer(true);
	for (i = 0; i < rounds; i++) {
		n = below(&random, VMSAS);
		memcpy(snp.vmcb, good_vmcb, PAGE);
		if (one_in(&random, 2))
			mutate(snp.vmcb, 0x3e0);
		snp.vmsa = (void *)vmsas[n];
		confine(&snp);
		code = vmrun_raw((uint64_t)snp.vmcb);
		if (!count(code)) {
			bad++;
			bad_code = code;
		}
		if ((rmp_entry(vmsas[n]) & (RMP_ASSIGNED | RMP_VMSA | RMP_ASID(0x3ff))) !=
		    (RMP_ASSIGNED | RMP_VMSA | RMP_ASID(SNP_ASID)))
			lost++;
	}
	timer(false);
	is(bad, 0, "SNP: each VMRUN ends with an exit that there is (0x%lx)", bad_code);
	is(lost, 0, "SNP: the VMSAs stay the guest's");
	for (i = 0; i < VMSAS; i++)
		kept += rmp_share(vmsas[i], false) != SUCCESS;
	is(kept, 0, "SNP: no VMSA is in use after VMRUN");
	smp_wait(1);
}

void test_main(void)
{
	uint64_t seed = fw_cfg_number("opt/seed"), i;

	rounds = fw_cfg_number("opt/rounds");
	printf("# seed %lu, %lu rounds\n", seed, rounds);
	/* never 0, and not the same for both */
	random.state = seed * 2 + 1;
	rmp.random.state = ~random.state;

	snp_require();
	smp_start();
	snp_init_firmware();
	svm_enable();
	for (i = 0; i < BLOCKS; i++) {
		uint64_t block = arena_2m();

		if (!i)
			rmp.base = block;
	}
	fuzz_es();
	fuzz_snp();

	if (!ok(!rmp.wrong, "RMP: what is done is what may be done, and nothing else"))
		printf("# %s of page %lu: 0x%lx, not 0x%lx\n", rmp.wrong, rmp.page,
		       rmp.got, rmp.want);
	ok(rmp.successes && rmp.failures && rmp.faults,
	   "RMP: some of it could be done, and some could not");
	ok(invalid && exits[EXIT_VMGEXIT] && exits[EXIT_NPF],
	   "guests: some were refused, some ran");
	printf("# RMPUPDATE: %lu done, %lu refused; %lu writes of the host refused\n",
	       rmp.successes, rmp.failures, rmp.faults);
	printf("# VMRUN: %lu refused;", invalid);
	for (i = 0; i < ARRAY_LEN(exits); i++) {
		if (exits[i])
			printf(" exit 0x%lx: %lu", i, exits[i]);
	}
	printf("\n");
}
