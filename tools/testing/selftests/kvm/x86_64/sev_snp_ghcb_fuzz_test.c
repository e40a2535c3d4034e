// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random requests of an SNP guest: what the GHCB holds and what the GHCB MSR
 * does, AP Creation with good, broken and absent VMSAs for vCPUs that are there
 * or not, and random answers by userspace, which punches holes into the guest's
 * memory meanwhile.
 *
 * KVM may do to the guest what it likes.  The test fails if the kernel warns or
 * gets stuck; it is of most use on one with debugging on.  A guest that doesn't
 * get any further is replaced by another one, with the next seed.  The last seed
 * that was printed is the one to begin with the next time; what a vCPU asks for
 * depends on nothing else, but when it does, and what the others do then, varies.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "snp.h"
#include "snp_cases.h"

#define MEM_SLOT	1
#define CTL_SLOT	2

/* GPAs, which are virtual addresses as well. */
#define MEM		0x140000000ULL
#define CTL_MEM		0x180000000ULL

#define MEM_NPAGES	8
#define MEM_SIZE	(MEM_NPAGES * PAGE_SIZE)
/* Never the first page: a VMSA may not be 2MiB aligned. */
#define mem_gpa(nr)	(MEM + (1 + (nr) % (MEM_NPAGES - 1)) * PAGE_SIZE)

#define NR_VCPUS	2

/* A guest has lived long enough after so many requests... */
#define MAX_REQUESTS	1000
/* ...or if it makes none for so many ticks. */
#define TICK_US		100000
#define DEAD_TICKS	5

/* The longest time between two holes. */
#define PUNCH_US	20000

/* The shared buffer in the GHCB, and the end of the registers. */
#define GHCB_BUFFER	0x800
#define GHCB_SAVE_END	0x3f0

/* How much of the buffer is used, in quadwords. */
#define NR_WORDS	32

/* Memory that the host shares with the guest. */
struct ctl {
	u64 seed;
	u64 vmsa;
	u64 nr_requests[NR_VCPUS];
};

/*
 * Guest
 */

#define guest_ctl	((struct ctl *)CTL_MEM)

struct rnd {
	u64 state;
};

static u8 ap_stack[4 * PAGE_SIZE] __aligned(16);

/* xorshift64*: anything but zero will do to begin with. */
static u64 rnd(struct rnd *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * 0x2545f4914f6cdd1dULL;
}

static bool one_in(struct rnd *r, unsigned int n)
{
	return !((rnd(r) >> 32) % n);
}

/* What code may take for a number, a length, an address. */
static u64 some_value(struct rnd *r, u64 ghcb_gpa)
{
	switch (rnd(r) >> 61) {
	case 0:
		return 0;
	case 1:
		return (rnd(r) >> 32) % 256;
	case 2:
		return mem_gpa(rnd(r) >> 32);
	case 3:
		return ghcb_gpa + (rnd(r) >> 52);
	case 4:
		return CTL_MEM + PAGE_SIZE;
	case 5:
		return BIT_ULL(rnd(r) >> 58);
	case 6:
		return -BIT_ULL(rnd(r) >> 58);
	default:
		return rnd(r);
	}
}

static void guest_vc_handler(struct ex_regs *regs)
{
	u64 cr2;

	if (regs->error_code == SNP_VC_NOT_VALIDATED) {
		asm volatile("mov %%cr2, %0" : "=r"(cr2));
		snp_pvalidate((void *)(cr2 & PAGE_MASK), true);
		return;
	}

	snp_vc_handler(regs);
}

static void guest_ap(u64 seed);

/* A list of page states: which of them is next, which is the last, then they. */
static u64 some_page_state(struct rnd *r, u64 ghcb_gpa)
{
	return some_value(r, ghcb_gpa) | (rnd(r) >> 62) << 52;
}

/*
 * A vCPU that never leaves the guest by itself, and changes the other one's
 * buffer while KVM reads it.
 */
static void guest_scribble(u64 seed)
{
	struct rnd r = { .state = seed };
	u64 *buffer = (void *)snp_ghcb_gpa(0) + GHCB_BUFFER;
	int i;

	for (;;) {
		i = rnd(&r) % NR_WORDS;
		WRITE_ONCE(buffer[i], i ? some_page_state(&r, snp_ghcb_gpa(0)) :
					  rnd(&r) & 0x1f001f);
		for (i = 0; i < 64; i++)
			asm volatile("pause");
	}
}

/* A page that may be a VMSA, and may be a good one. */
static u64 make_vmsa(struct rnd *r)
{
	const u64 gpa = mem_gpa(rnd(r) >> 32);
	u64 *word = (u64 *)gpa;
	int i;

	/* The one that a vCPU is running on is as it is, and can't be written to. */
	if (snp_rmpadjust(word, SNP_RMPADJUST_VMPL1) == SNP_FAIL_INUSE)
		return gpa;
	snp_vmsa_init((void *)gpa, one_in(r, 2) ? guest_scribble : guest_ap,
		      ap_stack + sizeof(ap_stack), rnd(r) | 1);
	for (i = one_in(r, 2) ? 0 : (rnd(r) >> 60); i; i--)
		word[(rnd(r) >> 32) % (PAGE_SIZE / sizeof(*word))] ^= BIT_ULL(rnd(r) >> 58);
	if (!one_in(r, 4))
		snp_rmpadjust(word, SNP_RMPADJUST_VMPL1 | SNP_RMPADJUST_VMSA);
	WRITE_ONCE(guest_ctl->vmsa, gpa);
	return gpa;
}

static void fuzz_vmgexit(void)
{
	asm volatile("rep; vmmcall" : : : "memory");
}

static void some_msr_request(struct rnd *r, u64 ghcb_gpa)
{
	u64 value = (rnd(r) >> 58) | (some_value(r, ghcb_gpa) & ~SNP_MSR_INFO_MASK);

	/* With another GHCB KVM_RUN fails: not too often. */
	if (!(value & SNP_MSR_INFO_MASK) && !one_in(r, 8))
		value |= SNP_MSR_PSC_REQ;

	wrmsr(MSR_AMD64_SEV_ES_GHCB, value);
	fuzz_vmgexit();
	/* It may have been about another GHCB. */
	if (!one_in(r, 8)) {
		wrmsr(MSR_AMD64_SEV_ES_GHCB, ghcb_gpa | SNP_MSR_REG_GPA_REQ);
		fuzz_vmgexit();
	}
	wrmsr(MSR_AMD64_SEV_ES_GHCB, ghcb_gpa);
}

static void some_request(struct rnd *r, u64 ghcb_gpa)
{
	/* What KVM emulates for an SEV-ES guest. */
	static const u8 exits[] = {
		SVM_EXIT_READ_DR7, SVM_EXIT_WRITE_DR7, SVM_EXIT_RDTSC, SVM_EXIT_RDPMC,
		SVM_EXIT_CPUID, SVM_EXIT_INVD, SVM_EXIT_IOIO, SVM_EXIT_MSR,
		SVM_EXIT_VMMCALL, SVM_EXIT_RDTSCP, SVM_EXIT_WBINVD, SVM_EXIT_MONITOR,
		SVM_EXIT_MWAIT,
	};
	struct snp_ghcb *ghcb = (void *)ghcb_gpa;
	u64 *words = (void *)ghcb_gpa;
	u64 *buffer = words + GHCB_BUFFER / 8;
	int i;

	for (i = 0; i < GHCB_SAVE_END / 8; i++)
		words[i] = some_value(r, ghcb_gpa);
	for (i = 0; i < NR_WORDS; i++)
		buffer[i] = some_page_state(r, ghcb_gpa);
	if (!one_in(r, 4))
		buffer[0] &= 0x1f001f;
	/* A length, maybe. */
	if (one_in(r, 2))
		ghcb->sw_exit_info_2 = rnd(r) >> 60;

	switch (rnd(r) >> 61) {
	case 0:
	case 1:
		ghcb->sw_exit_code = SVM_VMGEXIT_AP_CREATION;
		ghcb->sw_exit_info_1 = (rnd(r) >> 62) |
				       (one_in(r, 8) ? rnd(r) >> 62 : 1) << 32;
		if (one_in(r, 8))
			ghcb->sw_exit_info_1 ^= BIT_ULL(rnd(r) >> 58);
		ghcb->sw_exit_info_2 = one_in(r, 4) ? some_value(r, ghcb_gpa) : make_vmsa(r);
		ghcb->rax = one_in(r, 8) ? some_value(r, ghcb_gpa) : SNP_SEV_FEATURES;
		break;
	case 2:
	case 3:
	case 4:
		ghcb->sw_exit_code = 0x80000000 + (rnd(r) >> 59);
		break;
	case 5:
		ghcb->sw_exit_code = 0x8000ffff - (rnd(r) >> 62);
		break;
	case 6:
		ghcb->sw_exit_code = exits[(rnd(r) >> 32) % sizeof(exits)];
		break;
	}
	if (!one_in(r, 4))
		ghcb->sw_scratch = ghcb_gpa + GHCB_BUFFER;
	for (i = 0; i < sizeof(ghcb->valid_bitmap); i++)
		ghcb->valid_bitmap[i] = one_in(r, 32) ? rnd(r) >> 56 : 0xff;
	ghcb->protocol_version = one_in(r, 16) ? rnd(r) >> 56 : 2;
	ghcb->ghcb_usage = one_in(r, 32) ? rnd(r) >> 32 : 0;

	fuzz_vmgexit();
}

static void guest_fuzz(u32 id, u64 seed)
{
	struct rnd r = { .state = seed };

	snp_guest_init(id);
	for (;;) {
		guest_ctl->nr_requests[id]++;
		if (one_in(&r, 4))
			some_msr_request(&r, snp_ghcb_gpa(id));
		else
			some_request(&r, snp_ghcb_gpa(id));
	}
}

static void guest_ap(u64 seed)
{
	guest_fuzz(1, seed);
}

static void guest_bsp(void)
{
	guest_fuzz(0, guest_ctl->seed);
}

/*
 * Host
 */

struct world {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[NR_VCPUS];
	struct ctl *ctl;
	u64 seed;
	bool stop;
};

static void sigalrm_handler(int sig)
{
}

/* What fails is as good as what doesn't. */
static void set_private(struct world *w, u64 gpa, u64 size, bool private)
{
	struct kvm_memory_attributes attr = {
		.address = gpa,
		.size = size,
		.attributes = private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	if (gpa >= MEM && gpa < MEM + MEM_SIZE && size <= MEM + MEM_SIZE - gpa)
		__vm_ioctl(w->vm, KVM_SET_MEMORY_ATTRIBUTES, &attr);
}

/* Run a vCPU once; false if that failed, or the guest gave up. */
static bool run_once(struct world *w, struct kvm_vcpu *vcpu, struct rnd *r)
{
	struct kvm_run *run = vcpu->run;

	if (!__vcpu_run(vcpu)) {
		switch (run->exit_reason) {
		case KVM_EXIT_HYPERCALL:
			if (run->hypercall.nr == KVM_HC_MAP_GPA_RANGE)
				set_private(w, run->hypercall.args[0],
					    run->hypercall.args[1] * PAGE_SIZE,
					    run->hypercall.args[2] & KVM_MAP_GPA_RANGE_ENCRYPTED);
			run->hypercall.ret = one_in(r, 4) ? rnd(r) : 0;
			return true;
		case KVM_EXIT_FAIL_ENTRY:
		case KVM_EXIT_SHUTDOWN:
		case KVM_EXIT_INTERNAL_ERROR:
			return false;
		}
		return true;
	}
	if (errno == EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
		set_private(w, run->memory_fault.gpa, run->memory_fault.size,
			    run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_PRIVATE);
		return true;
	}
	/* EINVAL: a request that KVM doesn't know; the guest has made it. */
	return errno == EINTR || errno == EAGAIN || errno == EINVAL;
}

static void *ap_thread(void *arg)
{
	struct world *w = arg;
	struct rnd r = { .state = w->seed };

	while (!READ_ONCE(w->stop)) {
		if (!run_once(w, w->vcpus[1], &r))
			usleep(1000);
	}
	return NULL;
}

/* Mostly the page that may be a VMSA now. */
static void *punch_thread(void *arg)
{
	struct world *w = arg;
	struct rnd r = { .state = w->seed };
	u64 gpa, offset;
	int fd;

	while (!READ_ONCE(w->stop)) {
		usleep(rnd(&r) % PUNCH_US);
		gpa = READ_ONCE(w->ctl->vmsa);
		if (gpa < MEM || gpa >= MEM + MEM_SIZE || one_in(&r, 4))
			gpa = mem_gpa(rnd(&r) >> 32);
		fd = snp_gmem_fd(w->vm, gpa, &offset);
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, PAGE_SIZE);
	}
	return NULL;
}

static void arm_timer(unsigned int us)
{
	const struct itimerval timer = {
		.it_interval.tv_usec = us,
		.it_value.tv_usec = us,
	};

	TEST_ASSERT(!setitimer(ITIMER_REAL, &timer, NULL), "setitimer() failed");
}

/* Returns the number of requests. */
static u64 fuzz(u64 seed)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	/* Seeds that follow each other have little in common then. */
	struct world w = { .seed = seed * 0x9e3779b97f4a7c15ULL | 1 };
	struct rnd r = { .state = w.seed };
	u64 before = 0, now;
	unsigned int idle = 0;
	struct timespec start;
	pthread_t ap, puncher;
	sigset_t sigs;

	w.vm = snp_vm_create(NR_VCPUS, w.vcpus);
	vcpu_arch_set_entry_point(w.vcpus[0], guest_bsp);
	snp_vm_add_private_mem(w.vm, MEM_SLOT, MEM, MEM_NPAGES);
	snp_vm_add_shared_mem(w.vm, CTL_SLOT, CTL_MEM, 2);
	vm_install_exception_handler(w.vm, SNP_VC_VECTOR, guest_vc_handler);
	w.ctl = addr_gpa2hva(w.vm, CTL_MEM);
	w.ctl->seed = w.seed;
	vm_sev_launch(w.vm, snp_default_policy(), NULL);
	vm_mem_set_private(w.vm, MEM, MEM_SIZE);

	/* The signal is for this thread, to get it out of KVM_RUN. */
	sigemptyset(&sigs);
	sigaddset(&sigs, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &sigs, NULL);
	TEST_ASSERT(!pthread_create(&ap, NULL, ap_thread, &w) &&
		    !pthread_create(&puncher, NULL, punch_thread, &w), "pthread_create() failed");
	pthread_sigmask(SIG_UNBLOCK, &sigs, NULL);
	arm_timer(TICK_US);

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (idle < DEAD_TICKS && READ_ONCE(w.ctl->nr_requests[0]) < MAX_REQUESTS) {
		if (!run_once(&w, w.vcpus[0], &r))
			break;
		/* Whoever waits for an interrupt is told that there is one. */
		if (timespec_to_ns(timespec_elapsed(start)) > TICK_US * 1000) {
			clock_gettime(CLOCK_MONOTONIC, &start);
			now = READ_ONCE(w.ctl->nr_requests[0]);
			idle = now == before ? idle + 1 : 0;
			before = now;
			if (idle)
				__vcpu_ioctl(w.vcpus[0], KVM_SET_MP_STATE, &runnable);
		}
	}
	arm_timer(0);

	WRITE_ONCE(w.stop, true);
	/* It may be anywhere, before KVM_RUN too. */
	w.vcpus[1]->run->immediate_exit = 1;
	pthread_kill(ap, SIGUSR1);
	pthread_join(ap, NULL);
	pthread_join(puncher, NULL);

	now = w.ctl->nr_requests[0] + w.ctl->nr_requests[1];
	kvm_vm_free(w.vm);
	return now;
}

static unsigned int seconds = 5;

static void test_random(void)
{
	struct sigaction sa = { .sa_handler = sigalrm_handler };
	const u64 end = now_ns() + seconds * NSEC_PER_SEC;
	unsigned int nr_guests = 0;
	u64 nr_requests = 0;

	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	for (; now_ns() < end; nr_guests++) {
		/* Now, for the host may not live to print it later. */
		ksft_print_msg("seed %u\n", snp_seed + nr_guests);
		fflush(stdout);
		nr_requests += fuzz(snp_seed + nr_guests);
		snp_probe_host();
	}
	ksft_print_msg("%lu requests of %u guests\n", nr_requests, nr_guests);
}

static const struct snp_case cases[] = {
	{ 1, "random requests of guests", test_random },
};

int main(int argc, char *argv[])
{
	const struct snp_test test = {
		.cases = cases,
		.nr_cases = ARRAY_SIZE(cases),
		.amount = &seconds,
		.amount_option = 't',
		.amount_help = "number of seconds that it takes",
	};

	return snp_test_main(&test, argc, argv);
}
