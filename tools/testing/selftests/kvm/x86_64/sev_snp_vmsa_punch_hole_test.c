// SPDX-License-Identifier: GPL-2.0-only
/*
 * Take the page of its VMSA away from an SNP vCPU.
 *
 * A guest gives a vCPU its VMSA out of its own private memory (AP Creation), and
 * userspace can punch that memory out of its guest_memfd at any time.  KVM must
 * then have the vCPU out of the guest before the page is freed, and must not run
 * it until there is a VMSA again: KVM_RUN fails with KVM_EXIT_FAIL_ENTRY or, if the
 * memory was made shared, may fail with KVM_EXIT_MEMORY_FAULT.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <linux/mman.h>

#include "apic.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "snp.h"
#include "snp_cases.h"

#define AP_ID		1

#define CTL_SLOT	1
#define VMSA_SLOT	2	/* and the next one */

/* GPAs, which are virtual addresses as well. */
#define CTL_MEM		0x140000000ULL
#define VMSA_MEM	0x180000000ULL

/* Two memslots that have a half each of one guest_memfd. */
#define SLOT_NPAGES	16
#define SLOT_SIZE	(SLOT_NPAGES * PAGE_SIZE)
#define slot_gpa(i)	(VMSA_MEM + (i) * SLOT_SIZE)
/* A VMSA may not be 2MiB aligned. */
#define vmsa_gpa(i)	(slot_gpa(i) + PAGE_SIZE)

#define NR_ROUNDS	3
#define NR_KICK_ROUNDS	50

/* Memory that the host shares with the guest. */
struct ctl {
	u64 halt;
	u64 beats;
	u64 nmis;
};

#define guest_ctl	((struct ctl *)CTL_MEM)

static u8 ap_stack[2 * 4096] __aligned(16);

static void guest_ap(void)
{
	for (;;) {
		WRITE_ONCE(guest_ctl->beats, guest_ctl->beats + 1);
		if (guest_ctl->halt)
			asm volatile("hlt");
		cpu_relax();
	}
}

static void guest_nmi_handler(struct ex_regs *regs)
{
	WRITE_ONCE(guest_ctl->nmis, guest_ctl->nmis + 1);
}

static u64 guest_create_ap(gpa_t gpa)
{
	return snp_make_vmsa(gpa, guest_ap, ap_stack + sizeof(ap_stack), 0) ?:
	       snp_ap_creation(SVM_VMGEXIT_AP_CREATE, AP_ID, gpa);
}

/* One VM for each case, and a process for each VM, which ends with it. */
static struct kvm_vm *vm;
static struct kvm_vcpu *vcpus[AP_ID + 1];
static struct ctl *ctl;
static int gmem_fd;
static int stats_fd;
static u64 nr_fails;
static u64 nr_memory_faults;

static void *ap_thread(void *unused)
{
	struct kvm_vcpu *ap = vcpus[AP_ID];
	int r;

	for (;;) {
		r = snp_vcpu_run(ap);
		/* What looking for the VMSA anew may end in. */
		if (r && errno == EAGAIN)
			continue;

		TEST_ASSERT(!r || errno == EFAULT, "KVM_RUN failed, errno %d", errno);
		TEST_ASSERT(ap->run->exit_reason == (r ? KVM_EXIT_MEMORY_FAULT :
							 KVM_EXIT_FAIL_ENTRY),
			    "Unexpected exit: %s", exit_reason_str(ap->run->exit_reason));
		if (r) {
			TEST_ASSERT_EQ(ap->run->memory_fault.flags, KVM_MEMORY_EXIT_FLAG_PRIVATE);
			TEST_ASSERT_EQ(ap->run->memory_fault.gpa, vmsa_gpa(0));
			TEST_ASSERT_EQ(ap->run->memory_fault.size, PAGE_SIZE);
			WRITE_ONCE(nr_memory_faults, nr_memory_faults + 1);
		}
		WRITE_ONCE(nr_fails, nr_fails + 1);
		usleep(1000);
	}
	return NULL;
}

static void create_vm(void)
{
	pthread_t thread;
	u64 offset;
	int fd, i;

	vm = snp_vm_create(AP_ID + 1, vcpus);
	snp_vm_add_shared_mem(vm, CTL_SLOT, CTL_MEM, 1);
	ctl = addr_gpa2hva(vm, CTL_MEM);
	vm_install_exception_handler(vm, NMI_VECTOR, guest_nmi_handler);

	fd = vm_create_guest_memfd(vm, 2 * SLOT_SIZE, 0);
	for (i = 0; i < 2; i++)
		snp_vm_bind_private_mem(vm, VMSA_SLOT + i, slot_gpa(i), SLOT_NPAGES,
					fd, i * SLOT_SIZE);
	close(fd);
	gmem_fd = snp_gmem_fd(vm, VMSA_MEM, &offset);

	vm_sev_launch(vm, snp_default_policy(), NULL);

	stats_fd = vcpu_get_stats_fd(vcpus[AP_ID]);
	TEST_ASSERT(!pthread_create(&thread, NULL, ap_thread, NULL),
		    "pthread_create() failed");
}

static void create_ap(gpa_t gpa)
{
	TEST_ASSERT_EQ(snp_call(vcpus[0], guest_create_ap, gpa, 0, 0), 0);
}

static void expect_runs(void)
{
	const u64 beats = READ_ONCE(ctl->beats);

	/* More than one: the vCPU may have been about to count when it stopped. */
	wait_until(READ_ONCE(ctl->beats) >= beats + 3, "The vCPU doesn't run");
}

/* The vCPU is out of the guest already, for good, and each KVM_RUN fails. */
static void expect_fails(void)
{
	const u64 beats = READ_ONCE(ctl->beats), fails = READ_ONCE(nr_fails);

	wait_until(READ_ONCE(nr_fails) >= fails + 3, "KVM_RUN doesn't fail");
	TEST_ASSERT(READ_ONCE(ctl->beats) == beats, "The vCPU runs on without a VMSA");
}

static void punch(gpa_t gpa, u64 size)
{
	vm_guest_mem_punch_hole(vm, gpa, size);
	/* If the page was freed too early, don't wait to find out. */
	snp_probe_host();
}

static void test_running(void)
{
	int i;

	create_vm();
	for (i = 0; i < NR_ROUNDS; i++) {
		create_ap(vmsa_gpa(0));
		expect_runs();
		punch(vmsa_gpa(0), PAGE_SIZE);
		expect_fails();
	}

	create_ap(vmsa_gpa(0));
	expect_runs();
}

static void test_halted(void)
{
	u64 beats, fails;

	create_vm();
	ctl->halt = true;
	create_ap(vmsa_gpa(0));
	wait_until(READ_ONCE(ctl->beats) && snp_read_stat(stats_fd, "blocking"),
		   "The vCPU doesn't halt");
	beats = READ_ONCE(ctl->beats);

	/* It may go on waiting, but fails when it would run. */
	punch(vmsa_gpa(0), PAGE_SIZE);
	fails = READ_ONCE(nr_fails);
	TEST_ASSERT(snp_send_msi(vm, AP_ID, APIC_DM_NMI), "No NMI");
	wait_until(READ_ONCE(nr_fails) > fails, "KVM_RUN doesn't fail");
	TEST_ASSERT_EQ(READ_ONCE(ctl->beats), beats);

	ctl->halt = false;
	create_ap(vmsa_gpa(0));
	expect_runs();
}

static void *kicker_thread(void *nr_kicks)
{
	/* KVM kicks the vCPU for an NMI and doesn't wait for it to exit. */
	for (;;) {
		if (snp_send_msi(vm, AP_ID, APIC_DM_NMI))
			WRITE_ONCE(*(u64 *)nr_kicks, *(u64 *)nr_kicks + 1);
		sched_yield();
	}
	return NULL;
}

/*
 * KVM has to wait for a vCPU that somebody else is kicking out.  A TLB flush, which
 * waits as well, isn't to be had: the conversion has zapped the SPTE.
 */
static void test_kicked(void)
{
	static u64 nr_kicks[2];
	pthread_t threads[ARRAY_SIZE(nr_kicks)];
	u64 nr;
	int i, j;

	create_vm();
	for (i = 0; i < ARRAY_SIZE(nr_kicks); i++)
		pthread_create(&threads[i], NULL, kicker_thread, &nr_kicks[i]);

	for (i = 0; i < NR_KICK_ROUNDS; i++) {
		create_ap(vmsa_gpa(0));
		expect_runs();
		for (j = 0; j < ARRAY_SIZE(nr_kicks); j++) {
			nr = READ_ONCE(nr_kicks[j]);
			wait_until(READ_ONCE(nr_kicks[j]) > nr, "The vCPU isn't kicked");
		}
		/* KVM kicks for each, but holds them back after the first. */
		wait_until(READ_ONCE(ctl->nmis), "The vCPU gets no NMI");

		vm_mem_set_shared(vm, vmsa_gpa(0), PAGE_SIZE);
		vm_guest_mem_punch_hole(vm, vmsa_gpa(0), PAGE_SIZE);
		expect_fails();
		if (i % 10 == 9)
			snp_probe_host();
	}

	/* Made private again, it still is a hole, and nothing more is asked for. */
	vm_mem_set_private(vm, vmsa_gpa(0), PAGE_SIZE);
	expect_fails();
	nr = READ_ONCE(nr_memory_faults);
	expect_fails();
	TEST_ASSERT_EQ(READ_ONCE(nr_memory_faults), nr);
}

static void test_two_memslots(void)
{
	int i;

	create_vm();
	for (i = 0; i < 2; i++) {
		create_ap(vmsa_gpa(i));
		expect_runs();
		punch(slot_gpa(!i), SLOT_SIZE);
		expect_runs();

		/* Both at once. */
		TEST_ASSERT(!fallocate(gmem_fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
				       0, 2 * SLOT_SIZE),
			    "fallocate() failed");
		snp_probe_host();
		expect_fails();
	}
}

/* How many pages there are in the guest_memfd. */
static u64 nr_gmem_pages(void)
{
	struct cachestat_range range = { .len = 2 * SLOT_SIZE };
	struct cachestat stat;

	TEST_ASSERT(!syscall(__NR_cachestat, gmem_fd, &range, &stat, 0),
		    "cachestat() failed, errno %d", errno);
	return stat.nr_cache;
}

static void test_hole(void)
{
	int i;

	create_vm();
	for (i = 0; i < NR_ROUNDS; i++) {
		create_ap(vmsa_gpa(0));
		expect_runs();
		TEST_ASSERT_EQ(nr_gmem_pages(), 1);

		/* It is for the guest to fill it, and not by a request alone. */
		punch(vmsa_gpa(0), PAGE_SIZE);
		expect_fails();
		TEST_ASSERT_EQ(nr_gmem_pages(), 0);
		TEST_ASSERT_EQ(snp_call(vcpus[0], snp_ap_creation, SVM_VMGEXIT_AP_CREATE,
					AP_ID, vmsa_gpa(0)), 0);
		expect_fails();
		TEST_ASSERT_EQ(nr_gmem_pages(), 0);
	}
}

static void set_memslot(bool there)
{
	struct kvm_userspace_memory_region2 region = memslot2region(vm, VMSA_SLOT)->region;

	if (!there)
		region.memory_size = 0;
	vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region);
}

static void test_memslot_back(void)
{
	int i;

	/* The guest needn't know, if userspace just tries again. */
	create_vm();
	create_ap(vmsa_gpa(0));
	for (i = 0; i < NR_ROUNDS; i++) {
		expect_runs();
		set_memslot(false);
		expect_fails();
		set_memslot(true);
	}

	/* Without the page, that doesn't help. */
	expect_runs();
	set_memslot(false);
	punch(vmsa_gpa(0), PAGE_SIZE);
	set_memslot(true);
	expect_fails();
}

static const struct snp_case cases[] = {
	{ 2, "VMSA punched while its vCPU spins", test_running },
	{ 4, "VMSA punched while its vCPU is halted", test_halted },
	{ 5, "VMSA made shared and punched, with kicks", test_kicked },
	{ 14, "one guest_memfd, two memslots, one punch", test_two_memslots },
	{ 16, "hole stays a hole", test_hole },
	{ 17, "memslot of the VMSA comes back", test_memslot_back },
};

int main(int argc, char *argv[])
{
	const struct snp_test test = {
		.cases = cases,
		.nr_cases = ARRAY_SIZE(cases),
	};

	return snp_test_main(&test, argc, argv);
}
