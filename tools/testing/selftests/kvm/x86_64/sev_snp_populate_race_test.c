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
 * It takes some seconds; -n 3000 is for those who have more time.  On a kernel
 * without the fix any of cases 1 to 4 may kill the host, with panic_on_oops, or
 * the process and hang.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

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

#define MEM_NPAGES	16
/* Never the first page: a VMSA may not be 2MiB aligned. */
#define mem_gpa(nr)	(MEM + (1 + (nr) % (MEM_NPAGES - 1)) * PAGE_SIZE)

/* A hang is a failure.  Generous, the host may be slow. */
#define LATE_SECONDS	20

/* Memory that the host shares with the guest. */
struct ctl {
	gpa_t gpa;
	u64 not_validated;
};

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

static u64 guest_read(gpa_t gpa)
{
	guest_ctl->gpa = gpa;
	guest_ctl->not_validated = 0;
	return READ_ONCE(*(u64 *)gpa);
}

/*
 * Host
 */

struct world {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[2];
	struct ctl *ctl;
	u64 *src;
};

/*
 * After LAUNCH_FINISH the firmware takes no more pages, but KVM asks it, and
 * gets a page back that was the firmware's.  A LAUNCH_FINISH that fails after
 * the vCPUs' VMSAs were measured leaves a guest that runs and takes pages.
 */
static struct world *world_create(bool finished)
{
	struct world *w = calloc(1, sizeof(*w));

	TEST_ASSERT(w, "No memory");
	w->vm = snp_vm_create(2, w->vcpus);
	snp_vm_add_private_mem(w->vm, MEM_SLOT, MEM, MEM_NPAGES);
	snp_vm_add_shared_mem(w->vm, CTL_SLOT, CTL_MEM, 1);
	vm_install_exception_handler(w->vm, SNP_VC_VECTOR, guest_vc_handler);
	w->ctl = addr_gpa2hva(w->vm, CTL_MEM);

	w->src = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(w->src != MAP_FAILED, "mmap() failed");

	if (finished) {
		vm_sev_launch(w->vm, snp_default_policy(), NULL);
	} else {
		struct kvm_sev_snp_launch_finish finish = {
			.id_block_en = 1,
		};

		snp_vm_launch_start(w->vm, snp_default_policy());
		snp_vm_launch_update(w->vm);
		TEST_ASSERT(__vm_sev_ioctl(w->vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish),
			    "LAUNCH_FINISH succeeded without an ID block");
	}
	vm_mem_set_private(w->vm, MEM, MEM_NPAGES * PAGE_SIZE);
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

static int launch_update(struct world *w, gpa_t gpa)
{
	struct kvm_sev_snp_launch_update update = {
		.gfn_start = gpa / PAGE_SIZE,
		.uaddr = (uintptr_t)w->src,
		.len = PAGE_SIZE,
		.type = KVM_SEV_SNP_PAGE_TYPE_NORMAL,
	};

	return __launch_update(w, &update);
}

static int pre_fault(struct world *w, gpa_t gpa)
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
	gpa_t gpa;
	u64 value;
	u64 start;
	bool stop;
	bool done;
	pthread_barrier_t barrier;
	pthread_t thread;
	unsigned int rand;
	/* How long it takes to populate a page if nobody interferes. */
	u64 span;
};

static void wait_for(u64 time)
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
	u64 start, span;
	int i;

	TEST_ASSERT(race, "No memory");
	race->w = w;
	race->lookup = lookup;
	race->rand = snp_seed;

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
static int race_round(struct race *race, gpa_t gpa, int *err)
{
	const u64 skew = race->span / 2;
	u64 start;
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

static gpa_t next_page(struct race *race)
{
	const gpa_t gpa = mem_gpa(rand_r(&race->rand));

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

/*
 * KVM doesn't ask the firmware, which would take them, to populate a page that
 * is the guest's already, nor one of a gfn that isn't private.
 */
static void expect_refused(struct world *w, gpa_t gpa)
{
	int r;

	snp_call(w->vcpus[0], guest_read, gpa, 0, 0);
	r = launch_update(w, gpa);
	TEST_ASSERT(r && errno == EIO, "LAUNCH_UPDATE of a guest's page: %d, errno %d",
		    r, errno);

	vm_guest_mem_punch_hole(w->vm, gpa, PAGE_SIZE);
	vm_mem_set_shared(w->vm, gpa, PAGE_SIZE);
	r = launch_update(w, gpa);
	TEST_ASSERT(r && errno == EIO, "LAUNCH_UPDATE of a shared gfn: %d, errno %d",
		    r, errno);

	vm_mem_set_private(w->vm, gpa, PAGE_SIZE);
	TEST_ASSERT(!launch_update(w, gpa), "LAUNCH_UPDATE failed, errno %d", errno);
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
	race->value = snp_call(race->w->vcpus[0], guest_read, race->gpa, 0, 0);
}

static void test_fault(void)
{
	struct world *w = world_create(false);
	struct race *race = race_create(w, lookup_fault);
	unsigned int nr_populated = 0;
	int i, r, err;

	for (i = 0; i < nr_rounds; i++) {
		r = race_round(race, next_page(race), &err);

		/*
		 * Either it was populated, and the guest sees all of that, or
		 * the guest has got a page that nobody has validated.
		 */
		TEST_ASSERT(!r || err == EIO, "LAUNCH_UPDATE failed, errno %d", err);
		TEST_ASSERT(!r == !w->ctl->not_validated,
			    "Page was%s populated, but is%s validated",
			    r ? "n't" : "", w->ctl->not_validated ? "n't" : "");
		TEST_ASSERT(r || race->value == *w->src,
			    "Populated with 0x%lx, but the guest reads 0x%lx",
			    *w->src, race->value);
		nr_populated += !r;
	}
	ksft_print_msg("%u of %u pages were populated first\n", nr_populated, nr_rounds);
	expect_refused(w, next_page(race));

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
	gpa_t gpa;

	for (i = 0; i < nr_rounds; i++) {
		gpa = next_page(race);
		/* KVM looks the page up in the AP's next KVM_RUN. */
		TEST_ASSERT_EQ(snp_call(w->vcpus[0], snp_ap_creation, SVM_VMGEXIT_AP_CREATE,
					1, gpa), 0);
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
	gpa_t gpa;
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
	u64 deadline;
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

static u64 guest_add(u64 a, u64 b)
{
	return a + b;
}

/* A VMSA that the firmware wasn't asked to measure is still there, and KVM's. */
static void expect_vmsa_again(void)
{
	struct kvm_sev_snp_launch_finish finish = {};
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = snp_vm_create(1, &vcpu);
	const int sev_fd = vm->arch.sev_fd;
	int i;

	snp_vm_launch_start(vm, snp_default_policy());
	snp_vm_launch_update(vm);

	vm->arch.sev_fd = open("/dev/null", O_RDWR);
	TEST_ASSERT(vm->arch.sev_fd >= 0, "No /dev/null");
	for (i = 0; i < 2; i++)
		TEST_ASSERT(__vm_sev_ioctl(vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish) &&
			    errno == EBADF,
			    "LAUNCH_FINISH without the firmware: errno %d", errno);
	close(vm->arch.sev_fd);

	vm->arch.sev_fd = sev_fd;
	TEST_ASSERT(!__vm_sev_ioctl(vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish),
		    "LAUNCH_FINISH failed, errno %d", errno);
	TEST_ASSERT_EQ(snp_call(vcpu, guest_add, 1, 2, 0), 3);
	kvm_vm_free(vm);
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
		u32 count;
		u32 reserved_1;
		u64 reserved_2;
		struct {
			u32 eax_in;
			u32 ecx_in;
			u64 xcr0_in;
			u64 xss_in;
			u32 eax;
			u32 ebx;
			u32 ecx;
			u32 edx;
			u64 reserved;
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
	*(u64 *)second = 2;
	TEST_ASSERT(!__launch_update(w, &update), "LAUNCH_UPDATE failed, errno %d", errno);
	TEST_ASSERT_EQ(update.len, 0);

	for (i = 0; i < 2; i++) {
		TEST_ASSERT_EQ(snp_call(w->vcpus[0], guest_read, mem_gpa(i), 0, 0), i + 1);
		TEST_ASSERT_EQ(w->ctl->not_validated, 0);
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
	expect_vmsa_again();
}

static const struct snp_case cases[] = {
	{ 1, "LAUNCH_UPDATE against KVM_PRE_FAULT_MEMORY", test_pre_fault },
	{ 2, "LAUNCH_UPDATE against a vCPU's page fault", test_fault },
	{ 3, "LAUNCH_UPDATE against AP Creation", test_ap_creation },
	{ 4, "LAUNCH_UPDATE whose source is late against KVM_PRE_FAULT_MEMORY", test_late_source },
	{ 5, "LAUNCH_UPDATE that fails and is repeated", test_errors },
};

int main(int argc, char *argv[])
{
	const struct snp_test test = {
		.cases = cases,
		.nr_cases = ARRAY_SIZE(cases),
		.cap = KVM_CAP_PRE_FAULT_MEMORY,
		.amount = &nr_rounds,
		.amount_option = 'n',
		.amount_help = "number of rounds of cases 1 to 3",
	};

	return snp_test_main(&test, argc, argv);
}
