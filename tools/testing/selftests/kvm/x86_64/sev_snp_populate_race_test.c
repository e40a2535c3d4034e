// SPDX-License-Identifier: GPL-2.0-only
/*
 * Populate guest memory (LAUNCH_UPDATE) while somebody else looks up the same
 * page of guest_memfd.
 *
 * Populating a page makes it the guest's in the RMP, and looking up a page that
 * isn't populated yet clears it and makes it the guest's.  If KVM lets the two
 * run at the same time then it writes to a page that isn't the host's any more,
 * and the host gets an RMP #PF in the kernel.  If it doesn't, then one of them
 * comes first, and the other one finds that it has nothing to do.
 *
 *	sev_snp_populate_race_test --i-know-it-may-kill-the-host [-c case]...
 *				   [-n rounds] [-s seed]
 *
 * Takes some seconds, and root; -n 3000 is for those who have more time.  "-l"
 * lists the cases.  On a kernel without the fix any of cases 1 to 4 may kill
 * the host, with panic_on_oops, or the process and hang.
 *
 * Each case runs in a process of its own.
 */
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "snp.h"

#define MEM_SLOT	1
#define CTL_SLOT	2

/* GPAs, which are virtual addresses as well. */
#define MEM		0x140000000ULL
#define CTL_MEM		0x180000000ULL

#define MEM_NPAGES	16
/* Never the first page: a VMSA may not be 2MiB aligned. */
#define mem_gpa(nr)	(MEM + (1 + (nr) % (MEM_NPAGES - 1)) * PAGE_SIZE)

/* A hang is a failure.  Generous, the host may be slow. */
#define CASE_SECONDS	120
#define LATE_SECONDS	20

/* What the boot vCPU can be told to do. */
enum {
	BSP_READ,
	BSP_CREATE_AP,
};

/* Memory that the host shares with the guest. */
struct ctl {
	uint64_t cmd;
	uint64_t gpa;
	uint64_t value;
	uint64_t not_validated;
	uint64_t ret;
};

static unsigned int seed;
static unsigned int nr_rounds = 200;

/*
 * Guest
 */

#define guest_ctl	((struct ctl *)CTL_MEM)

static void guest_vc_handler(struct ex_regs *regs)
{
	if (regs->error_code == SNP_VC_NOT_VALIDATED) {
		guest_ctl->not_validated++;
		snp_pvalidate((void *)guest_ctl->gpa, true);
		return;
	}

	snp_vc_handler(regs);
}

static void guest_bsp(void)
{
	struct ctl *ctl = guest_ctl;

	snp_guest_init(0);

	for (;;) {
		GUEST_SYNC(0);

		switch (READ_ONCE(ctl->cmd)) {
		case BSP_READ:
			ctl->value = READ_ONCE(*(uint64_t *)ctl->gpa);
			break;
		case BSP_CREATE_AP:
			ctl->ret = snp_ap_creation(SVM_VMGEXIT_AP_CREATE, 1, ctl->gpa);
			break;
		}
	}
}

/*
 * Host
 */

struct world {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[2];
	struct ctl *ctl;
	uint64_t *src;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* Done for the sake of the EINTR that it brings about. */
static void sigusr1_handler(int sig)
{
}

static unsigned long read_taint(void)
{
	unsigned long taint;
	FILE *f;

	f = fopen("/proc/sys/kernel/tainted", "r");
	TEST_ASSERT(f && fscanf(f, "%lu", &taint) == 1,
		    "Can't read /proc/sys/kernel/tainted");
	fclose(f);
	return taint;
}

static void bsp_run(struct world *w)
{
	struct ucall uc;
	int r;

	do {
		r = snp_vcpu_run(w->vcpus[0]);
	} while (r && errno == EINTR);
	TEST_ASSERT(!r, "KVM_RUN of the boot vCPU failed, errno %d", errno);

	switch (snp_get_ucall(w->vcpus[0], &uc)) {
	case UCALL_SYNC:
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		TEST_FAIL("Boot vCPU: unexpected exit: %s",
			  exit_reason_str(w->vcpus[0]->run->exit_reason));
	}
}

static void bsp_call(struct world *w, uint64_t cmd, uint64_t gpa)
{
	w->ctl->cmd = cmd;
	w->ctl->gpa = gpa;
	w->ctl->not_validated = 0;
	bsp_run(w);
}

/*
 * After LAUNCH_FINISH the firmware takes no more pages, but KVM asks it, and
 * gets a page back that was the firmware's.  A LAUNCH_FINISH that fails after
 * the vCPUs' VMSAs were measured leaves a guest that runs and takes pages.
 */
static struct world *world_create(bool finished)
{
	struct world *w = calloc(1, sizeof(*w));

	TEST_ASSERT(w, "No memory");
	w->vm = snp_vm_create(2, guest_bsp, w->vcpus);
	snp_vm_add_private_mem(w->vm, MEM_SLOT, MEM, MEM_NPAGES);
	snp_vm_add_shared_mem(w->vm, CTL_SLOT, CTL_MEM, 1);
	vm_install_exception_handler(w->vm, SNP_VC_VECTOR, guest_vc_handler);
	w->ctl = addr_gpa2hva(w->vm, CTL_MEM);

	w->src = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(w->src != MAP_FAILED, "mmap() failed");

	if (finished) {
		snp_vm_start(w->vm);
	} else {
		struct kvm_sev_snp_launch_finish finish = {
			.id_block_en = 1,
		};

		snp_vm_launch(w->vm);
		TEST_ASSERT(__vm_sev_ioctl(w->vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish),
			    "LAUNCH_FINISH succeeded without an ID block");
	}
	vm_mem_set_private(w->vm, MEM, MEM_NPAGES * PAGE_SIZE);
	bsp_run(w);
	return w;
}

static void world_destroy(struct world *w)
{
	munmap(w->src, 2 * PAGE_SIZE);
	kvm_vm_free(w->vm);
	free(w);
}

/* Returns 0 or -1 with errno, and what is left to be done in @update. */
static int __launch_update(struct world *w, struct kvm_sev_snp_launch_update *update)
{
	return __vm_sev_ioctl(w->vm, KVM_SEV_SNP_LAUNCH_UPDATE, update);
}

static int launch_update(struct world *w, uint64_t gpa)
{
	struct kvm_sev_snp_launch_update update = {
		.gfn_start = gpa / PAGE_SIZE,
		.uaddr = (uintptr_t)w->src,
		.len = PAGE_SIZE,
		.type = KVM_SEV_SNP_PAGE_TYPE_NORMAL,
	};

	return __launch_update(w, &update);
}

static int pre_fault(struct world *w, uint64_t gpa)
{
	struct kvm_pre_fault_memory range = {
		.gpa = gpa,
		.size = PAGE_SIZE,
	};

	return __vcpu_ioctl(w->vcpus[0], KVM_PRE_FAULT_MEMORY, &range);
}

/*
 * The race: the main thread populates a page, the other one looks it up.
 */

struct race {
	struct world *w;
	void (*lookup)(struct race *race);
	uint64_t gpa;
	uint64_t start;
	bool stop;
	bool done;
	pthread_barrier_t barrier;
	pthread_t thread;
	unsigned int rand;
	/* How long it takes to populate a page if nobody interferes. */
	uint64_t span;
};

static void wait_for(uint64_t time)
{
	while (now_ns() < time)
		;
}

static void *race_thread(void *arg)
{
	struct race *race = arg;

	for (;;) {
		pthread_barrier_wait(&race->barrier);
		if (race->stop)
			return NULL;

		wait_for(race->start);
		race->lookup(race);
		WRITE_ONCE(race->done, true);
		pthread_barrier_wait(&race->barrier);
	}
}

static struct race *race_create(struct world *w, void (*lookup)(struct race *race))
{
	struct race *race = calloc(1, sizeof(*race));
	uint64_t start, span;
	int i;

	TEST_ASSERT(race, "No memory");
	race->w = w;
	race->lookup = lookup;
	race->rand = seed;

	race->span = -1ull;
	for (i = 0; i < 8; i++) {
		vm_guest_mem_punch_hole(w->vm, mem_gpa(i), PAGE_SIZE);
		start = now_ns();
		launch_update(w, mem_gpa(i));
		span = now_ns() - start;
		race->span = min(race->span, span);
	}

	pthread_barrier_init(&race->barrier, NULL, 2);
	TEST_ASSERT(!pthread_create(&race->thread, NULL, race_thread, race),
		    "pthread_create() failed");
	return race;
}

static void race_destroy(struct race *race)
{
	race->stop = true;
	pthread_barrier_wait(&race->barrier);
	pthread_join(race->thread, NULL);
	pthread_barrier_destroy(&race->barrier);
	free(race);
}

/*
 * A round, at a random distance in time.  Returns what LAUNCH_UPDATE does, with
 * errno in @err.
 */
static int race_round(struct race *race, uint64_t gpa, int *err)
{
	const uint64_t skew = race->span / 2;
	uint64_t start;
	int r;

	race->gpa = gpa;
	race->done = false;
	start = now_ns() + 20000 + skew;
	race->start = start - skew + rand_r(&race->rand) % (race->span + skew);

	pthread_barrier_wait(&race->barrier);
	wait_for(start);
	r = launch_update(race->w, gpa);
	*err = errno;

	/* A vCPU may have come to rest in KVM_RUN.  Signals may come too soon. */
	while (!READ_ONCE(race->done)) {
		pthread_kill(race->thread, SIGUSR1);
		usleep(100);
	}
	pthread_barrier_wait(&race->barrier);
	return r;
}

static uint64_t next_page(struct race *race)
{
	const uint64_t gpa = mem_gpa(rand_r(&race->rand));

	vm_guest_mem_punch_hole(race->w->vm, gpa, PAGE_SIZE);
	*race->w->src = rand_r(&race->rand);
	return gpa;
}

static void lookup_pre_fault(struct race *race)
{
	int r;

	do {
		r = pre_fault(race->w, race->gpa);
	} while (r && errno == EINTR);
	TEST_ASSERT(!r, "KVM_PRE_FAULT_MEMORY failed, errno %d", errno);
}

static void test_pre_fault(void)
{
	struct world *w = world_create(true);
	struct race *race = race_create(w, lookup_pre_fault);
	int i, r, err;

	for (i = 0; i < nr_rounds; i++) {
		r = race_round(race, next_page(race), &err);
		TEST_ASSERT(r && err == EIO, "LAUNCH_UPDATE after LAUNCH_FINISH: %d, errno %d",
			    r, err);
	}

	race_destroy(race);
	world_destroy(w);
}

static void lookup_fault(struct race *race)
{
	bsp_run(race->w);
}

static void test_fault(void)
{
	struct world *w = world_create(false);
	struct race *race = race_create(w, lookup_fault);
	unsigned int nr_populated = 0;
	int i, r, err;
	uint64_t gpa;

	for (i = 0; i < nr_rounds; i++) {
		gpa = next_page(race);
		w->ctl->cmd = BSP_READ;
		w->ctl->gpa = gpa;
		w->ctl->not_validated = 0;
		r = race_round(race, gpa, &err);

		/*
		 * Either it was populated, and the guest sees all of that, or
		 * the guest has got a page that nobody has validated.
		 */
		TEST_ASSERT(!r || err == EIO, "LAUNCH_UPDATE failed, errno %d", err);
		TEST_ASSERT(!r == !w->ctl->not_validated,
			    "Page was%s populated, but is%s validated",
			    r ? "n't" : "", w->ctl->not_validated ? "n't" : "");
		TEST_ASSERT(r || w->ctl->value == *w->src,
			    "Populated with 0x%lx, but the guest reads 0x%lx",
			    *w->src, w->ctl->value);
		nr_populated += !r;
	}
	ksft_print_msg("%u of %u pages were populated first\n", nr_populated, nr_rounds);

	race_destroy(race);
	world_destroy(w);
}

static void lookup_ap_creation(struct race *race)
{
	struct kvm_vcpu *ap = race->w->vcpus[1];
	int r;

	r = snp_vcpu_run(ap);
	TEST_ASSERT(r ? errno == EINTR || errno == EAGAIN :
			ap->run->exit_reason == KVM_EXIT_FAIL_ENTRY,
		    "KVM_RUN of an AP whose VMSA is no VMSA: %d, errno %d, %s", r,
		    errno, exit_reason_str(ap->run->exit_reason));
}

static void test_ap_creation(void)
{
	struct world *w = world_create(false);
	struct race *race = race_create(w, lookup_ap_creation);
	int i, r, err;
	uint64_t gpa;

	for (i = 0; i < nr_rounds; i++) {
		gpa = next_page(race);
		/* KVM looks the page up in the AP's next KVM_RUN. */
		bsp_call(w, BSP_CREATE_AP, gpa);
		TEST_ASSERT_EQ(w->ctl->ret, 0);
		r = race_round(race, gpa, &err);
		TEST_ASSERT(!r || err == EIO, "LAUNCH_UPDATE failed, errno %d", err);
	}

	race_destroy(race);
	world_destroy(w);
}

static int late_source(void *addr)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)addr, .len = PAGE_SIZE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd;

	fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		ksft_print_msg("No userfaultfd(), errno %d\n", errno);
		exit(KSFT_SKIP);
	}
	TEST_ASSERT(!ioctl(fd, UFFDIO_API, &api), "UFFDIO_API failed");
	TEST_ASSERT(!ioctl(fd, UFFDIO_REGISTER, &reg), "UFFDIO_REGISTER failed");
	return fd;
}

struct late {
	struct world *w;
	uint64_t gpa;
	int r;
	int err;
};

static void *late_populate_thread(void *arg)
{
	struct late *late = arg;

	late->r = launch_update(late->w, late->gpa);
	late->err = errno;
	return NULL;
}

static void *late_lookup_thread(void *arg)
{
	struct late *late = arg;

	late->r = pre_fault(late->w, late->gpa);
	late->err = errno;
	return NULL;
}

/* The page is looked up while populating it waits for its source. */
static void test_late_source(void)
{
	struct world *w = world_create(true);
	const struct timespec tick = { .tv_nsec = NSEC_PER_SEC / 100 };
	struct late populate = { w, mem_gpa(1) };
	struct late lookup = { w, mem_gpa(1) };
	struct uffdio_zeropage zeropage = {};
	struct pollfd uffd = { .events = POLLIN };
	pthread_t threads[2];
	uint64_t deadline;
	bool waits;

	zeropage.range.start = (uintptr_t)w->src;
	zeropage.range.len = PAGE_SIZE;
	uffd.fd = late_source(w->src);

	pthread_create(&threads[0], NULL, late_populate_thread, &populate);
	TEST_ASSERT(poll(&uffd, 1, LATE_SECONDS * 1000) == 1,
		    "LAUNCH_UPDATE doesn't read its source");

	pthread_create(&threads[1], NULL, late_lookup_thread, &lookup);
	deadline = now_ns() + LATE_SECONDS * NSEC_PER_SEC;
	while ((waits = pthread_tryjoin_np(threads[1], NULL)) && now_ns() < deadline)
		nanosleep(&tick, NULL);

	TEST_ASSERT(!ioctl(uffd.fd, UFFDIO_ZEROPAGE, &zeropage), "UFFDIO_ZEROPAGE failed");
	pthread_join(threads[0], NULL);
	if (waits)
		pthread_join(threads[1], NULL);

	TEST_ASSERT(!waits, "The lookup waits for the source of LAUNCH_UPDATE");
	TEST_ASSERT(!lookup.r, "KVM_PRE_FAULT_MEMORY failed, errno %d", lookup.err);
	TEST_ASSERT(populate.r && populate.err == EIO,
		    "LAUNCH_UPDATE of a page that is the guest's: %d, errno %d",
		    populate.r, populate.err);

	close(uffd.fd);
	world_destroy(w);
}

/* What fails can be done again, and does no harm to what was done before. */
static void test_errors(void)
{
	struct world *w = world_create(false);
	void *second = (void *)w->src + PAGE_SIZE;
	struct kvm_sev_snp_launch_update update = {
		.gfn_start = mem_gpa(0) / PAGE_SIZE,
		.uaddr = (uintptr_t)w->src,
		.len = 2 * PAGE_SIZE,
		.type = KVM_SEV_SNP_PAGE_TYPE_NORMAL,
	};
	/* Reserved fields that aren't zero are refused, as are wrong functions. */
	struct {
		uint32_t count;
		uint32_t reserved_1;
		uint64_t reserved_2;
		struct {
			uint32_t eax_in;
			uint32_t ecx_in;
			uint64_t xcr0_in;
			uint64_t xss_in;
			uint32_t eax;
			uint32_t ebx;
			uint32_t ecx;
			uint32_t edx;
			uint64_t reserved;
		} functions[1];
	} *cpuid = (void *)w->src;
	int i;

	/* The second page has no source: the first one is done, and stays so. */
	w->src[0] = 1;
	TEST_ASSERT(!munmap(second, PAGE_SIZE), "munmap() failed");
	TEST_ASSERT(!__launch_update(w, &update), "LAUNCH_UPDATE failed, errno %d", errno);
	TEST_ASSERT_EQ(update.len, PAGE_SIZE);
	TEST_ASSERT_EQ(update.gfn_start, mem_gpa(1) / PAGE_SIZE);
	TEST_ASSERT_EQ(update.uaddr, (uintptr_t)second);
	for (i = 0; i < 2; i++)
		TEST_ASSERT(__launch_update(w, &update) && errno == EIO,
			    "LAUNCH_UPDATE from nowhere didn't fail with EIO");

	TEST_ASSERT(mmap(second, PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == second,
		    "mmap() failed");
	*(uint64_t *)second = 2;
	TEST_ASSERT(!__launch_update(w, &update), "LAUNCH_UPDATE failed, errno %d", errno);
	TEST_ASSERT_EQ(update.len, 0);

	for (i = 0; i < 2; i++) {
		bsp_call(w, BSP_READ, mem_gpa(i));
		TEST_ASSERT_EQ(w->ctl->not_validated, 0);
		TEST_ASSERT_EQ(w->ctl->value, i + 1);
		TEST_ASSERT(launch_update(w, mem_gpa(i)) && errno == EIO,
			    "LAUNCH_UPDATE again didn't fail with EIO");
	}

	/* The firmware says what it would have liked better. */
	memset(w->src, 0, PAGE_SIZE);
	cpuid->count = 1;
	cpuid->functions[0].eax_in = 0x8000001f;
	cpuid->functions[0].eax = -1u;
	update = (struct kvm_sev_snp_launch_update) {
		.gfn_start = mem_gpa(2) / PAGE_SIZE,
		.uaddr = (uintptr_t)w->src,
		.len = PAGE_SIZE,
		.type = KVM_SEV_SNP_PAGE_TYPE_CPUID,
	};
	TEST_ASSERT(__launch_update(w, &update) && errno == EIO,
		    "LAUNCH_UPDATE of a wrong CPUID page didn't fail with EIO");
	TEST_ASSERT(cpuid->functions[0].eax != -1u, "What the firmware says is lost");
	TEST_ASSERT(!__launch_update(w, &update),
		    "LAUNCH_UPDATE of what the firmware says failed, errno %d", errno);

	world_destroy(w);
}

static const struct {
	unsigned int number;
	const char *name;
	void (*fn)(void);
} cases[] = {
	{ 1, "LAUNCH_UPDATE against KVM_PRE_FAULT_MEMORY", test_pre_fault },
	{ 2, "LAUNCH_UPDATE against a vCPU's page fault", test_fault },
	{ 3, "LAUNCH_UPDATE against AP Creation", test_ap_creation },
	{ 4, "LAUNCH_UPDATE whose source is late against KVM_PRE_FAULT_MEMORY", test_late_source },
	{ 5, "LAUNCH_UPDATE that fails and is repeated", test_errors },
};

static int run_in_child(void (*fn)(void))
{
	const uint64_t end = now_ns() +
			     (CASE_SECONDS + nr_rounds / 10) * NSEC_PER_SEC;
	const unsigned long taint = read_taint();
	int status;
	pid_t pid, r;

	fflush(stdout);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn();
		exit(KSFT_PASS);
	}

	/* A thread that has died in the kernel may leave one that can't die. */
	while (!(r = waitpid(pid, &status, WNOHANG)) && now_ns() < end)
		usleep(10000);
	if (!r) {
		kill(pid, SIGKILL);
		ksft_print_msg("it took too long\n");
		return KSFT_FAIL;
	}

	TEST_ASSERT(r == pid, "waitpid() failed");
	if (read_taint() != taint) {
		ksft_print_msg("Kernel got tainted, %lx -> %lx\n", taint, read_taint());
		return KSFT_FAIL;
	}
	if (WIFSIGNALED(status)) {
		ksft_print_msg("killed by signal %d\n", WTERMSIG(status));
		return KSFT_FAIL;
	}
	if (WEXITSTATUS(status) == KSFT_SKIP)
		return KSFT_SKIP;
	return WEXITSTATUS(status) ? KSFT_FAIL : KSFT_PASS;
}

static void help(const char *name)
{
	printf("usage: %s [-h] [-l] [-c case] [-n rounds] [-s seed] --" SNP_CONSENT_OPTION "\n"
	       " -c: run this case only (may be repeated)\n"
	       " -l: list the cases\n"
	       " -n: number of rounds of cases 1 to 3, by default %u\n"
	       " -s: seed of what is random\n", name, nr_rounds);
}

int main(int argc, char *argv[])
{
	static int consent;
	static const struct option options[] = {
		{ SNP_CONSENT_OPTION, no_argument, &consent, 1 },
		{}
	};
	struct sigaction sa = { .sa_handler = sigusr1_handler };
	unsigned int i, nr_selected = 0;
	uint64_t selected = 0;
	int opt;

	seed = time(NULL);
	while ((opt = getopt_long(argc, argv, "c:hln:s:", options, NULL)) != -1) {
		switch (opt) {
		case 0:
			break;
		case 'c':
			i = atoi_positive("Case", optarg);
			TEST_ASSERT(i <= ARRAY_SIZE(cases), "No case %u", i);
			selected |= BIT_ULL(i);
			break;
		case 'l':
			for (i = 0; i < ARRAY_SIZE(cases); i++)
				printf("%u %s\n", cases[i].number, cases[i].name);
			return 0;
		case 'n':
			nr_rounds = atoi_positive("Number of rounds", optarg);
			break;
		case 's':
			seed = atoi_non_negative("Seed", optarg);
			break;
		case 'h':
			help(argv[0]);
			return 0;
		default:
			help(argv[0]);
			return KSFT_FAIL;
		}
	}

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_VM_TYPES));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_PRE_FAULT_MEMORY));
	__TEST_REQUIRE(snp_is_supported(), "KVM can't run SEV-SNP guests here");
	snp_require_consent(consent);

	sigaction(SIGUSR1, &sa, NULL);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (!selected || selected & BIT_ULL(cases[i].number))
			nr_selected++;

	ksft_print_header();
	ksft_set_plan(nr_selected);
	ksft_print_msg("Seed: %u\n", seed);

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (!selected || selected & BIT_ULL(cases[i].number))
			ksft_test_result_report(run_in_child(cases[i].fn), "%u %s\n",
						cases[i].number, cases[i].name);

	ksft_finished();
}
