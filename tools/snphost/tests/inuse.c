// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VMSA and a VMCB are in use exactly while a CPU is inside the guest on them;
 * and a change of the RMP on one CPU reaches a guest that runs on another.
 */
#include "svm.h"

#define ASID		2
#define ROUNDS		200
#define VA		(GUEST_TEST)

/* rdi: the shared page; until the host sets its flag */
SNIPPET(i_spin, "1: incq 0xa0(%rdi); pause; cmpq $0, 0x98(%rdi); je 1b");
/* the same, and writes no more once it is inside */
SNIPPET(i_wait, "incq 0xa0(%rdi); 1: pause; cmpq $0, 0x98(%rdi); je 1b");
/* as i_spin, and reads a private page each time */
SNIPPET(i_touch, "1: incq 0xa0(%rdi); mov (%rsi), %rax; cmpq $0, 0x98(%rdi); je 1b");
SNIPPET(i_nop, "nop");
SNIPPET(pvalidate, ".byte 0xf2, 0x0f, 0x01, 0xff");

static struct vm vm;
static volatile uint64_t exit_code;
static volatile bool in_host;

#define TICKS	(F64((void *)vm.comm, 0xa0))

static void runner(void *arg)
{
	(void)arg;
	in_host = false;
	exit_code = vm_run(&vm);
	in_host = true;
}

static void svm_on_ap(void *arg)
{
	(void)arg;
	svm_enable();
}

/* Starts a snippet on the second CPU; it is inside the guest on return. */
static void start(const char *code, unsigned int len)
{
	uint64_t t = TICKS;

	vm_prepare(&vm, code, len, &(struct guest_in){
		.rdi = GUEST_SHARED + GUEST_COMM, .rsi = VA });
	vm.comm->flag = 0;
	in_host = false;
	smp_run(1, runner, NULL);
	while (TICKS == t && !in_host)
		pause();
}

static void stop(void)
{
	vm.comm->flag = 1;
	smp_wait(1);
}

#define START(name) start(name##_start, name##_end - name##_start)

static void vmsa_in_use(void)
{
	uint64_t vmsa = (uint64_t)vm.vmsa, entry = rmp_entry(vmsa);
	struct rmp_state same = { .gpa = 0xfffffffff000, .assigned = 1,
				  .asid = ASID };
	unsigned int i, r, inuse = 0, bad = 0;
	void *copy = alloc_page();
	uint64_t r64;

	START(i_spin);
	ok(!in_host, "a second CPU is inside the guest");
	is(rmp_share(vmsa, false), FAIL_INUSE,
	   "RMPUPDATE of its VMSA page to the host: FAIL_INUSE");
	is(rmpupdate(vmsa, &same), FAIL_INUSE,
	   "RMPUPDATE to the same owner: FAIL_INUSE");
	is(rmp_entry(vmsa), entry, "  the entry is as it was");
	for (i = 0; i < ROUNDS; i++) {
		r = rmp_share(vmsa, false);
		if (r == FAIL_INUSE)
			inuse++;
		else
			bad++;
	}
	is(bad, 0, "every attempt fails (%u)", inuse);
	is(rmp_assign((uint64_t)vm.vmcb, 0, ASID, false), FAIL_INUSE,
	   "RMPUPDATE of its VMCB page to a guest: FAIL_INUSE");

	/* Were it done, the second CPU must not write where it can't any more. */
	stop();
	START(i_wait);
	r = rmp_assign((uint64_t)vm.vmcb & ~(PAGE_2M - 1), 0, ASID, true);
	if (r == SUCCESS)
		rmp_share((uint64_t)vm.vmcb & ~(PAGE_2M - 1), true);
	is(r, FAIL_INUSE, "RMPUPDATE of the 2M around it: FAIL_INUSE");
	/*
	 * A VMSA that a CPU is on cannot be entered by another, by any VMCB;
	 * if it could, it would leave at the first PAUSE.
	 */
	memcpy(copy, vm.vmcb, PAGE);
	F32(copy, VMCB_MISC1) |= MISC1_PAUSE;
	r64 = vmrun_raw((uint64_t)copy);
	ok(r64 == EXIT_INVALID || r64 == EXIT_BUSY,
	   "VMRUN on the same VMSA: VMEXIT_INVALID or _BUSY (0x%lx)", r64);
	ok(!in_host, "  the second CPU still is inside");
	/* The same by its own VMCB, on which then are two, and one that left. */
	r64 = vmrun_raw((uint64_t)vm.vmcb);
	ok(r64 == EXIT_INVALID || r64 == EXIT_BUSY,
	   "VMRUN on the same VMCB: VMEXIT_INVALID or _BUSY (0x%lx)", r64);
	is(rmp_assign((uint64_t)vm.vmcb, 0, ASID, false), FAIL_INUSE,
	   "  the VMCB page still is in use");
	stop();
	is(exit_code, EXIT_VMGEXIT, "the second CPU leaves the guest");
	is(vm_do(&vm, i_nop, .rax = 0), EXIT_VMGEXIT,
	   "now this CPU can enter on the VMSA");
}

static void another_page(void)
{
	uint64_t spa = arena_page();

	START(i_spin);
	is(rmp_assign(spa, VA + PAGE, ASID, false), SUCCESS,
	   "RMPUPDATE of another page while the guest runs");
	is(rmp_share(spa, false), SUCCESS, "  and back");
	stop();
}

/* The guest reads a private page; the host takes it away meanwhile. */
static void change_is_seen(void)
{
	uint64_t spa = arena_page(), t;
	unsigned int i, late = 0, wrong = 0;

	vm_map(&vm, VA, spa, 1);
	for (i = 0; i < 20; i++) {
		rmp_assign(spa, VA, ASID, false);
		F8(vm.vmcb, VMCB_TLB) = 3;
		vm_do(&vm, pvalidate, .rax = VA, .rcx = 0, .rdx = 1);
		START(i_touch);
		if (in_host)
			wrong++;
		if (rmp_share(spa, false))
			wrong++;
		/* from now on no read of that page may complete */
		t = TICKS;
		while (!in_host && TICKS < t + 1000)
			pause();
		if (TICKS > t + 2)
			late++;
		stop();
		if (exit_code != EXIT_NPF ||
		    !(F64(vm.vmcb, VMCB_INFO1) & PF_RMP) ||
		    F64(vm.vmcb, VMCB_INFO2) != VA)
			wrong++;
		/* let the snippet end */
		rmp_assign(spa, VA, ASID, false);
		vm_run(&vm);
	}
	is(late, 0, "a page taken away is not read once RMPUPDATE is done");
	is(wrong, 0, "the guest exits with an RMP fault on it each time");
}

static void right_after(void)
{
	uint64_t vmsa = (uint64_t)vm.vmsa;

	START(i_spin);
	is(rmp_share(vmsa, false), FAIL_INUSE, "inside again: FAIL_INUSE");
	stop();
	is(rmp_share(vmsa, false), SUCCESS, "right after it left: success");
	is(rmp_entry(vmsa) & RMP_ASSIGNED, 0, "  the page is the host's");
	is(TRY(WRITE64(vmsa, 0)), NO_TRAP, "  and can be written");
	is(vm_run(&vm), EXIT_INVALID, "  VMRUN on it: VMEXIT_INVALID");

	is(rmp_assign((uint64_t)vm.vmcb, 0, ASID, false), SUCCESS,
	   "the VMCB page to a guest now: success");
	rmp_share((uint64_t)vm.vmcb, false);
}

/* The second CPU is of no use afterwards. */
static void init_inside(void)
{
	uint64_t vmsa, vmcb;
	unsigned int i;

	vm_start(&vm, true, ASID + 1);
	vmsa = (uint64_t)vm.vmsa;
	vmcb = (uint64_t)vm.vmcb;
	START(i_spin);
	is(rmp_share(vmcb, false), FAIL_INUSE,
	   "inside, RMPUPDATE of the VMCB: FAIL_INUSE");
	send_init(1);
	for (i = 0; i < 100000 && rmp_share(vmsa, false) == FAIL_INUSE; i++)
		delay_us(1);
	is(rmp_share(vmsa, false), SUCCESS,
	   "an INIT that is not intercepted ends it: the VMSA is free");
	is(rmp_share(vmcb, false), SUCCESS, "  and the VMCB");
}

void test_main(void)
{
	snp_require();
	snp_init_firmware();
	svm_enable();
	smp_run(1, svm_on_ap, NULL);
	smp_wait(1);
	vm_start(&vm, true, ASID);
	vmsa_in_use();
	another_page();
	change_is_seen();
	right_after();
	init_inside();
}
