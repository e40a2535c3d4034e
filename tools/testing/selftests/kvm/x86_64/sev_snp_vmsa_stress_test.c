// SPDX-License-Identifier: GPL-2.0-only
/*
 * Take the VMSA page of an SNP vCPU away from it, in all the ways that
 * sev_snp_vmsa_punch_hole_test leaves out: that one has what each step of KVM's
 * protocol is for, this one the rest.  No two of their cases have a number in
 * common.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/mman.h>

#include "apic.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "snp.h"
#include "snp_cases.h"

#define MAX_APS		8

#define VMSA_SLOT	1
#define OTHER_SLOT	2
#define CTL_SLOT	3
#define EXTRA_SLOT	4

/* GPAs, which are virtual addresses as well. */
#define VMSA_MEM	0x140000000ULL
#define OTHER_MEM	0x180000000ULL
#define CTL_MEM		0x1c0000000ULL
#define EXTRA_MEM	0x200000000ULL
#define NO_MEM		0x240000000ULL

#define VMSA_NPAGES	(2 * MAX_APS + 2)
#define OTHER_NPAGES	16
#define CTL_NPAGES	2
#define WIDE_NPAGES	4096

/* Every second page is a VMSA; the pages between are innocent neighbours. */
#define vmsa_gpa(ap)	(VMSA_MEM + (2 * (ap) - 1) * PAGE_SIZE)
#define other_gpa(nr)	(OTHER_MEM + (nr) * PAGE_SIZE)

/* KVM_RUN has to fail at once, NR_FAILS times.  This is not at once any more. */
#define NR_FAILS	5
#define AT_ONCE_NS	(5 * NSEC_PER_SEC)

#define NR_FREE_ROUNDS		4
#define NR_NEIGHBOUR_ROUNDS	1000
#define NR_SAME_ROUNDS		8
#define NR_TEARDOWN_ROUNDS	8
#define NR_FALSE_ROUNDS		30
#define NR_PREEMPT_ROUNDS	200
#define NR_BACK_ROUNDS		100

/* What an AP does. */
enum {
	AP_SPIN,
	AP_UCALL,
	AP_RESET_HOLD,
};

struct ap_ctl {
	u64 mode;
	u64 beats;
};

/* Memory that the host shares with the guest. */
struct ctl {
	u64 nr_aps;
	u64 seed;
	u64 stop;
	u64 nr_rounds;
	struct ap_ctl aps[MAX_APS + 1];
};

static unsigned int chaos_seconds = 5;

/*
 * Guest
 */

#define guest_ctl	((struct ctl *)CTL_MEM)

/*
 * The stack belongs to the VMSA, not to the vCPU: a vCPU whose VMSA page is also
 * somebody else's runs on whatever VMSA is made there.
 */
static u8 ap_stacks[MAX_APS][2 * 4096] __aligned(16);
#define vmsa_stack(gpa)	ap_stacks[(gpa) / (2 * PAGE_SIZE) % MAX_APS]

/* The page that the boot vCPU works on, and whether the host took it away. */
static void *guest_page;
static bool guest_page_lost;

static void guest_vc_handler(struct ex_regs *regs)
{
	if (regs->error_code == SNP_VC_NOT_VALIDATED && guest_page) {
		WRITE_ONCE(guest_page_lost, true);
		snp_pvalidate(guest_page, true);
		return;
	}

	snp_vc_handler(regs);
}

/* NMIs are there for what KVM does for them. */
static void guest_nmi_handler(struct ex_regs *regs)
{
}

static void guest_ap(u64 id)
{
	struct ap_ctl *ap = &guest_ctl->aps[id];
	const u64 mode = READ_ONCE(ap->mode);

	/*
	 * The GHCB is the vCPU's.  Two vCPUs may take turns on one VMSA, and
	 * then what one asks is answered to the other: keep away from it.
	 */
	if (mode == AP_UCALL || mode == AP_RESET_HOLD)
		snp_guest_init(id);

	for (;;) {
		WRITE_ONCE(ap->beats, ap->beats + 1);

		switch (READ_ONCE(ap->mode)) {
		case AP_UCALL:
			GUEST_SYNC(id);
			break;
		case AP_RESET_HOLD:
			snp_vmgexit(SVM_VMGEXIT_AP_HLT_LOOP, 0, 0);
			break;
		default:
			cpu_relax();
			break;
		}
	}
}

static u64 guest_make_vmsa(u32 ap, gpa_t gpa, u64 patience)
{
	void *page = (void *)gpa;
	u64 r;

	r = snp_make_private(gpa);
	if (r)
		return r;

	WRITE_ONCE(guest_page, page);

	/* A page that is a VMSA can't be written, and a vCPU may be on it. */
	do {
		r = snp_rmpadjust(page, SNP_RMPADJUST_VMPL1);
	} while (r == SNP_FAIL_INUSE && patience--);

	if (!r) {
		WRITE_ONCE(guest_page_lost, false);
		snp_vmsa_init(page, guest_ap, vmsa_stack(gpa) + sizeof(vmsa_stack(gpa)), ap);
		/* Half a VMSA would run, and do anything to the rest of the guest. */
		if (READ_ONCE(guest_page_lost))
			r = SNP_FAIL_INPUT;
		else
			r = snp_rmpadjust(page, SNP_RMPADJUST_VMPL1 | SNP_RMPADJUST_VMSA);
	}

	WRITE_ONCE(guest_page, NULL);
	return r;
}

static u64 guest_create(u32 ap, gpa_t gpa, u32 request)
{
	return guest_make_vmsa(ap, gpa, -1ull) ?: snp_ap_creation(request, ap, gpa);
}

static void guest_nop(void)
{
}

/* Nothing has to succeed here, the host pulls the rug all the time. */
static void guest_chaos(void)
{
	u64 rng = guest_ctl->seed;
	u64 gpa;
	u32 ap;

	while (!READ_ONCE(guest_ctl->stop)) {
		rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
		ap = 1 + (rng >> 33) % guest_ctl->nr_aps;

		/* One in eight VMSAs is the next vCPU's, too. */
		gpa = vmsa_gpa((rng >> 40) % 8 ? ap : 1 + ap % guest_ctl->nr_aps);

		snp_ap_creation(SVM_VMGEXIT_AP_DESTROY, ap, 0);
		if ((rng >> 44) % 4 && !guest_make_vmsa(ap, gpa, 1000))
			snp_ap_creation((rng >> 48) % 8 ? SVM_VMGEXIT_AP_CREATE :
							  SVM_VMGEXIT_AP_CREATE_ON_INIT,
					ap, gpa);

		guest_ctl->nr_rounds++;
	}
}

/*
 * Host
 */

struct world;

struct ap {
	struct world *w;
	struct kvm_vcpu *vcpu;
	u32 id;
	int stats_fd;
	pthread_t thread;
	pid_t tid;

	/* Written by the main thread. */
	bool park;
	bool stop;

	/* Written by the vCPU's thread. */
	bool parked;
	u64 returns;
	u64 ucalls;
	u64 fails;
	u64 fail_reason;
	u32 first_exit;
};

struct world {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[MAX_APS + 1];
	struct ctl *ctl;
	u32 nr_aps;
	/* The guest is up to no good, vCPUs may exit for whatever reason. */
	bool chaos;
	/* KVM_RUN that has failed is tried again at once. */
	bool hurry;
	struct ap aps[MAX_APS + 1];
};

#define TRACING			"/sys/kernel/tracing"
#define PAGE_CACHE_EVENT	TRACING "/events/filemap/mm_filemap_add_to_page_cache"
#define KVM_EXIT_EVENT		TRACING "/events/kvm/kvm_exit"
#define KPROBE_EVENTS		TRACING "/kprobe_events"
#define CORRUPT_PFN		"/sys/kernel/debug/hwpoison/corrupt-pfn"
#define UNPOISON_PFN		"/sys/kernel/debug/hwpoison/unpoison-pfn"

/* Returns 0 or the errno. */
static int __write_file(const char *path, int flags, const char *value)
{
	int fd = open(path, O_WRONLY | flags);
	int r = 0;

	TEST_ASSERT(fd >= 0, "Can't open %s", path);
	errno = EIO;
	if (write(fd, value, strlen(value)) != strlen(value))
		r = errno;
	close(fd);
	return r;
}

static void write_file(const char *path, const char *value)
{
	TEST_ASSERT(!__write_file(path, O_TRUNC, value), "Can't write '%s' to %s", value, path);
}

/* What is there already may be somebody else's. */
static void append_file(const char *path, const char *value)
{
	TEST_ASSERT(!__write_file(path, O_APPEND, value), "Can't add '%s' to %s", value, path);
}

#define trace_start(event)					\
do {								\
	write_file(TRACING "/trace", "\n");			\
	write_file(event "/enable", "1");			\
} while (0)

#define trace_stop(event)					\
({								\
	write_file(event "/enable", "0");			\
	trace_read();						\
})

/* To be freed. */
static char *trace_read(void)
{
	FILE *trace = fopen(TRACING "/trace", "r");
	char *text = NULL;
	size_t size = 0;

	/* There is no zero byte in it. */
	TEST_ASSERT(trace && getdelim(&text, &size, 0, trace) > 0,
		    "Can't read " TRACING "/trace");
	fclose(trace);
	return text;
}

static void *ap_thread(void *arg)
{
	struct ap *ap = arg;
	struct kvm_run *run = ap->vcpu->run;
	bool first = true;
	struct ucall uc;
	int r;

	WRITE_ONCE(ap->tid, syscall(SYS_gettid));

	for (;;) {
		while (READ_ONCE(ap->park) && !READ_ONCE(ap->stop)) {
			WRITE_ONCE(ap->parked, true);
			first = true;
			usleep(500);
		}
		WRITE_ONCE(ap->parked, false);
		if (READ_ONCE(ap->stop))
			return NULL;

		r = snp_vcpu_run(ap->vcpu);
		if (r && (errno == EINTR || errno == EAGAIN))
			continue;

		if (first)
			WRITE_ONCE(ap->first_exit, r ? -1u : run->exit_reason);
		first = false;
		WRITE_ONCE(ap->returns, ap->returns + 1);

		if (!r && run->exit_reason == KVM_EXIT_FAIL_ENTRY) {
			ap->fail_reason = run->fail_entry.hardware_entry_failure_reason;
			WRITE_ONCE(ap->fails, ap->fails + 1);
			if (!READ_ONCE(ap->w->hurry))
				usleep(1000);
		} else if (ap->w->chaos) {
			usleep(200);
		} else {
			TEST_ASSERT(!r, "KVM_RUN of vCPU %u failed, errno %d",
				    ap->id, errno);
			switch (snp_get_ucall(ap->vcpu, &uc)) {
			case UCALL_SYNC:
				WRITE_ONCE(ap->ucalls, ap->ucalls + 1);
				break;
			case UCALL_ABORT:
				REPORT_GUEST_ASSERT(uc);
			default:
				TEST_FAIL("vCPU %u: unexpected exit: %s", ap->id,
					  exit_reason_str(run->exit_reason));
			}
		}
	}
}

static void ap_park(struct ap *ap)
{
	WRITE_ONCE(ap->parked, false);
	WRITE_ONCE(ap->park, true);
	/* Again and again: a signal that comes before the ioctl() is lost. */
	wait_until(({ pthread_kill(ap->thread, SIGUSR1); READ_ONCE(ap->parked); }),
		   "vCPU %u doesn't come out of KVM_RUN", ap->id);
}

static void ap_unpark(struct ap *ap)
{
	WRITE_ONCE(ap->first_exit, 0);
	WRITE_ONCE(ap->park, false);
}

static void ap_set_runnable(struct ap *ap)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };

	vcpu_mp_state_set(ap->vcpu, &runnable);
}

/* What the boot vCPU can be told to do. */

static u64 bsp_make_private(struct world *w, gpa_t gpa)
{
	return snp_call(w->vcpus[0], snp_make_private, gpa, 0, 0);
}

static u64 bsp_make_vmsa(struct world *w, u32 ap, gpa_t gpa)
{
	return snp_call(w->vcpus[0], guest_make_vmsa, ap, gpa, -1ull);
}

static u64 bsp_request(struct world *w, u32 request, u32 ap, gpa_t gpa)
{
	return snp_call(w->vcpus[0], snp_ap_creation, request, ap, gpa);
}

static u64 bsp_create(struct world *w, u32 ap, gpa_t gpa, u32 request)
{
	return snp_call(w->vcpus[0], guest_create, ap, gpa, request);
}

static struct world *world_create_with(u32 nr_aps, void (*add_mem)(struct kvm_vm *vm))
{
	struct world *w = calloc(1, sizeof(*w));
	int i;

	TEST_ASSERT(w, "No memory");
	w->nr_aps = nr_aps;
	w->vm = snp_vm_create(nr_aps + 1, w->vcpus);
	snp_vm_add_private_mem(w->vm, VMSA_SLOT, VMSA_MEM, VMSA_NPAGES);
	snp_vm_add_private_mem(w->vm, OTHER_SLOT, OTHER_MEM, OTHER_NPAGES);
	snp_vm_add_shared_mem(w->vm, CTL_SLOT, CTL_MEM, CTL_NPAGES);
	if (add_mem)
		add_mem(w->vm);
	vm_install_exception_handler(w->vm, SNP_VC_VECTOR, guest_vc_handler);
	vm_install_exception_handler(w->vm, NMI_VECTOR, guest_nmi_handler);

	w->ctl = addr_gpa2hva(w->vm, CTL_MEM);
	w->ctl->nr_aps = nr_aps;
	vm_sev_launch(w->vm, snp_default_policy(), NULL);

	for (i = 1; i <= nr_aps; i++) {
		struct ap *ap = &w->aps[i];

		ap->w = w;
		ap->id = i;
		ap->vcpu = w->vcpus[i];
		ap->stats_fd = vcpu_get_stats_fd(ap->vcpu);
		TEST_ASSERT(!pthread_create(&ap->thread, NULL, ap_thread, ap),
			    "pthread_create() failed");
	}
	return w;
}

static struct world *world_create(u32 nr_aps)
{
	return world_create_with(nr_aps, NULL);
}

static void world_destroy(struct world *w)
{
	int i;

	for (i = 1; i <= w->nr_aps; i++)
		ap_park(&w->aps[i]);
	for (i = 1; i <= w->nr_aps; i++) {
		WRITE_ONCE(w->aps[i].stop, true);
		pthread_join(w->aps[i].thread, NULL);
		close(w->aps[i].stats_fd);
	}
	kvm_vm_free(w->vm);
	free(w);
}

static void ap_create_at(struct world *w, u32 ap, gpa_t gpa)
{
	TEST_ASSERT_EQ(bsp_create(w, ap, gpa, SVM_VMGEXIT_AP_CREATE), 0);
}

static void ap_create(struct world *w, u32 ap)
{
	ap_create_at(w, ap, vmsa_gpa(ap));
}

static void ap_destroy(struct world *w, u32 ap)
{
	TEST_ASSERT_EQ(bsp_request(w, SVM_VMGEXIT_AP_DESTROY, ap, 0), 0);
}

/* Returns how often the vCPU has come back to userspace so far. */
static u64 expect_runs(struct world *w, u32 ap)
{
	struct ap_ctl *ctl = &w->ctl->aps[ap];
	const u64 beats = READ_ONCE(ctl->beats);

	/* More than one: AP_SPIN may have been about to count when it stopped. */
	wait_until(READ_ONCE(ctl->beats) >= beats + 3, "vCPU %u doesn't run", ap);
	return READ_ONCE(w->aps[ap].returns);
}

/* The vCPU runs and hasn't come back to userspace since @returns was read. */
static void expect_unharmed(struct world *w, u32 ap, u64 returns)
{
	struct ap_ctl *ctl = &w->ctl->aps[ap];
	const u64 beats = READ_ONCE(ctl->beats);

	wait_until(({ TEST_ASSERT_EQ(READ_ONCE(w->aps[ap].returns), returns);
		      READ_ONCE(ctl->beats) >= beats + 3; }),
		   "vCPU %u doesn't run", ap);
	TEST_ASSERT_EQ(READ_ONCE(w->aps[ap].returns), returns);
}

/* Not for a moment only. */
static bool is_blocking(struct ap *ap)
{
	int i;

	for (i = 0; i < 20; i++) {
		if (!snp_read_stat(ap->stats_fd, "blocking"))
			return false;
		usleep(5000);
	}
	return true;
}

/* The vCPU waits in KVM for something to happen. */
static void expect_blocks(struct world *w, u32 ap)
{
	wait_until(is_blocking(&w->aps[ap]), "vCPU %u doesn't wait", ap);
}

/* The vCPU was destroyed, which it needn't know yet. */
static void expect_stops(struct world *w, u32 ap)
{
	struct ap_ctl *ctl = &w->ctl->aps[ap];
	u64 beats;

	wait_until(({ beats = READ_ONCE(ctl->beats); usleep(100000);
		      beats == READ_ONCE(ctl->beats); }),
		   "vCPU %u runs although it was destroyed", ap);
}

/*
 * The vCPU is out of the guest already, for good; KVM_RUN fails, at once, and
 * does so each time it is tried.
 */
static void expect_fails(struct world *w, u32 ap)
{
	const u64 beats = READ_ONCE(w->ctl->aps[ap].beats);
	struct ap *a = &w->aps[ap];
	const u64 fails = READ_ONCE(a->fails);
	u64 start;

	wait_until(({ TEST_ASSERT(READ_ONCE(w->ctl->aps[ap].beats) == beats,
				  "vCPU %u runs on without a VMSA", ap);
		      READ_ONCE(a->fails) > fails; }),
		   "KVM_RUN of vCPU %u doesn't fail", ap);

	start = now_ns();
	wait_until(READ_ONCE(a->fails) > fails + NR_FAILS,
		   "KVM_RUN of vCPU %u doesn't fail each time", ap);

	TEST_ASSERT(now_ns() - start < AT_ONCE_NS,
		    "KVM_RUN of vCPU %u took %lu ns to fail %u times", ap,
		    now_ns() - start, NR_FAILS);
	TEST_ASSERT_EQ(READ_ONCE(w->ctl->aps[ap].beats), beats);
}

/*
 * Likewise, and the CPU isn't even asked: there is no page to be asked about.
 * Some kernels have the same reason for both, but only the CPU makes exits.
 */
static void expect_no_vmsa(struct world *w, u32 ap)
{
	struct ap *a = &w->aps[ap];
	u64 fails;
	char filter[32];
	char *exits, *first;

	expect_fails(w, ap);
	TEST_ASSERT_EQ(a->fail_reason, (u64)SVM_EXIT_ERR);

	if (access(KVM_EXIT_EVENT "/enable", W_OK)) {
		ksft_print_msg("No %s: can't see what is asked of the CPU\n", KVM_EXIT_EVENT);
		return;
	}
	snprintf(filter, sizeof(filter), "common_pid == %d", READ_ONCE(a->tid));
	write_file(KVM_EXIT_EVENT "/filter", filter);
	trace_start(KVM_EXIT_EVENT);
	fails = READ_ONCE(a->fails);
	wait_until(READ_ONCE(a->fails) > fails + NR_FAILS,
		   "KVM_RUN of vCPU %u doesn't fail each time", ap);
	exits = trace_stop(KVM_EXIT_EVENT);
	write_file(KVM_EXIT_EVENT "/filter", "0");
	first = strstr(exits, "kvm_exit: ");
	if (first)
		TEST_FAIL("VMRUN without a VMSA: %.*s", (int)strcspn(first, "\n"), first);
	free(exits);
}

static void expect_bsp_runs(struct world *w)
{
	snp_call(w->vcpus[0], guest_nop, 0, 0, 0);
}

static void punch_file(int fd, u64 offset, u64 size)
{
	TEST_ASSERT(!fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
			       offset, size), "fallocate() failed");
}

static void punch(struct world *w, gpa_t gpa, u64 npages)
{
	vm_guest_mem_punch_hole(w->vm, gpa, npages * PAGE_SIZE);
}

static void set_memslot(struct world *w, u32 slot, bool there)
{
	struct kvm_userspace_memory_region2 region = memslot2region(w->vm, slot)->region;

	if (!there)
		region.memory_size = 0;
	vm_ioctl(w->vm, KVM_SET_USER_MEMORY_REGION2, &region);
}

#define send_nmi(w, ap)		snp_send_msi((w)->vm, ap, APIC_DM_NMI)
#define send_sipi(w, ap)	snp_send_msi((w)->vm, ap, APIC_DM_STARTUP)

static bool send_init_sipi(struct world *w, u32 ap)
{
	return snp_send_msi(w->vm, ap, APIC_DM_INIT) && send_sipi(w, ap);
}

static void bystander_code(void)
{
	u64 i;

	for (i = 0;; i++)
		GUEST_SYNC(i);
}

/* Are the host, and another VM, none the worse for it? */
static void probe(void)
{
	static struct kvm_vcpu *bystander;
	struct ucall uc;
	int i;

	snp_probe_host();

	if (!bystander)
		vm_create_with_one_vcpu(&bystander, bystander_code);
	for (i = 0; i < 10; i++) {
		vcpu_run(bystander);
		TEST_ASSERT_EQ(get_ucall(bystander, &uc), UCALL_SYNC);
	}
}

/*
 * The cases
 */

static void test_life_cycle(void)
{
	struct world *w = world_create(1);
	u64 beats;
	int i;

	/* First with the vCPU in KVM_RUN, waiting; then with one that was destroyed. */
	for (i = 0; i < 3; i++) {
		ap_create(w, 1);
		expect_runs(w, 1);

		ap_destroy(w, 1);
		expect_stops(w, 1);
	}

	TEST_ASSERT_EQ(bsp_create(w, 1, vmsa_gpa(1), SVM_VMGEXIT_AP_CREATE_ON_INIT), 0);
	beats = READ_ONCE(w->ctl->aps[1].beats);
	usleep(100000);
	TEST_ASSERT_EQ(READ_ONCE(w->ctl->aps[1].beats), beats);
	TEST_ASSERT(send_init_sipi(w, 1), "No INIT, or no SIPI");
	expect_runs(w, 1);

	TEST_ASSERT_EQ(w->aps[1].fails, 0);
	probe();
	world_destroy(w);
}

/* How many pages can't be evicted: those of a guest_memfd, until they are freed. */
static u64 count_unevictable(void)
{
	char line[128];
	bool found;
	u64 n = 0;
	FILE *f;

	/* Add up what each CPU has counted. */
	write_file("/proc/sys/vm/stat_refresh", "1");
	f = fopen("/proc/vmstat", "r");
	TEST_ASSERT(f, "Can't open /proc/vmstat");
	do {
		TEST_ASSERT(fgets(line, sizeof(line), f), "No nr_unevictable in /proc/vmstat");
		found = sscanf(line, "nr_unevictable %lu", &n) == 1;
	} while (!found);
	fclose(f);
	return n;
}

static void test_pages_freed(void)
{
	struct world *w = world_create(1);
	u64 nr_before = 0, nr;
	int i;

	for (i = 0; i < NR_FREE_ROUNDS; i++) {
		ap_create(w, 1);
		expect_runs(w, 1);
		/* A page is counted only when it is on the host's list, and still of a file. */
		snp_drain_lru();
		punch(w, vmsa_gpa(1), 1);
		expect_fails(w, 1);
		if (!i)
			nr_before = count_unevictable();
	}

	/* One for each round, or it wasn't KVM. */
	nr = count_unevictable();
	TEST_ASSERT(nr < nr_before + NR_FREE_ROUNDS - 1,
		    "Pages are never freed: %lu are unevictable, of %lu", nr, nr_before);
	world_destroy(w);
}

/* Who is out of the guest anyway can't be seen to exit. */
static void wait_for_beat(struct world *w, u32 ap)
{
	const u64 beats = READ_ONCE(w->ctl->aps[ap].beats), start = now_ns();

	while (READ_ONCE(w->ctl->aps[ap].beats) == beats)
		TEST_ASSERT(now_ns() - start < SNP_WAIT_SECONDS * NSEC_PER_SEC,
			    "vCPU %u doesn't run", ap);
}

/*
 * Does a punch of a neighbour make the vCPU exit?  Timers and the like do as
 * well: compare with punches of a file that no VM uses, turn and turn about, for
 * as long as the others took.
 */
static void punch_many(struct world *w, u64 gpa)
{
	enum { NR_TURNS = 20 };
	const int fd = vm_create_guest_memfd(w->vm, PAGE_SIZE, 0);
	u64 nr_exits = 0, nr_others = 0, start, middle, exits;
	int i, turn;

	for (turn = 0; turn < NR_TURNS; turn++) {
		exits = snp_read_stat(w->aps[1].stats_fd, "exits");
		start = now_ns();
		for (i = 0; i < NR_NEIGHBOUR_ROUNDS / NR_TURNS; i++) {
			punch(w, gpa, 1);
			wait_for_beat(w, 1);
		}
		middle = now_ns();
		nr_exits += snp_read_stat(w->aps[1].stats_fd, "exits") - exits;

		exits = snp_read_stat(w->aps[1].stats_fd, "exits");
		while (now_ns() - middle < middle - start) {
			punch_file(fd, 0, PAGE_SIZE);
			wait_for_beat(w, 1);
		}
		nr_others += snp_read_stat(w->aps[1].stats_fd, "exits") - exits;
	}
	close(fd);

	TEST_ASSERT(nr_exits < nr_others + NR_NEIGHBOUR_ROUNDS / 2,
		    "%lu exits for %u punches of a neighbour at 0x%lx, %lu otherwise",
		    nr_exits, NR_NEIGHBOUR_ROUNDS, gpa, nr_others);
}

static void test_punch_neighbour(void)
{
	struct world *w = world_create(1);
	u64 returns;

	TEST_ASSERT_EQ(bsp_make_private(w, vmsa_gpa(1) + PAGE_SIZE), 0);
	TEST_ASSERT_EQ(bsp_make_private(w, vmsa_gpa(1) - PAGE_SIZE), 0);
	ap_create(w, 1);
	returns = expect_runs(w, 1);

	punch(w, vmsa_gpa(1) + PAGE_SIZE, 1);
	expect_unharmed(w, 1, returns);
	punch(w, vmsa_gpa(1) - PAGE_SIZE, 1);
	expect_unharmed(w, 1, returns);
	punch(w, vmsa_gpa(1) + PAGE_SIZE, 8);
	expect_unharmed(w, 1, returns);

	/* Nothing is there any more, it takes no TLB flush to punch it. */
	punch_many(w, vmsa_gpa(1) + PAGE_SIZE);
	punch_many(w, vmsa_gpa(1) - PAGE_SIZE);
	expect_unharmed(w, 1, returns);

	probe();
	world_destroy(w);
}

static void test_punch_reset_hold(void)
{
	struct world *w = world_create(1);
	struct ap *ap = &w->aps[1];
	u64 beats;

	w->ctl->aps[1].mode = AP_RESET_HOLD;
	ap_create(w, 1);
	wait_until(READ_ONCE(w->ctl->aps[1].beats), "vCPU doesn't start");
	expect_blocks(w, 1);
	beats = READ_ONCE(w->ctl->aps[1].beats);

	punch(w, vmsa_gpa(1), 1);
	probe();

	/* A vCPU that waits may go on waiting, but not run. */
	ap_park(ap);
	ap_set_runnable(ap);
	ap_unpark(ap);
	expect_no_vmsa(w, 1);
	TEST_ASSERT_EQ(ap->first_exit, KVM_EXIT_FAIL_ENTRY);
	TEST_ASSERT_EQ(READ_ONCE(w->ctl->aps[1].beats), beats);

	w->ctl->aps[1].mode = AP_SPIN;
	ap_create(w, 1);
	expect_runs(w, 1);
	probe();
	world_destroy(w);
}

static void test_punch_between_runs(void)
{
	struct world *w = world_create(1);
	struct ap *ap = &w->aps[1];
	int mode;

	/* Once interrupted in the guest, once with I/O to be completed. */
	for (mode = AP_SPIN; mode <= AP_UCALL; mode++) {
		w->ctl->aps[1].mode = mode;
		ap_create(w, 1);
		expect_runs(w, 1);

		ap_park(ap);
		punch(w, vmsa_gpa(1), 1);
		probe();
		ap_unpark(ap);
		expect_no_vmsa(w, 1);
		TEST_ASSERT_EQ(ap->first_exit, KVM_EXIT_FAIL_ENTRY);
	}

	ap_create(w, 1);
	expect_runs(w, 1);
	world_destroy(w);
}

static void test_punch_exiting(void)
{
	struct world *w = world_create(1);
	int i;

	w->ctl->aps[1].mode = AP_UCALL;
	for (i = 0; i < 10; i++) {
		ap_create(w, 1);
		expect_runs(w, 1);
		usleep(i * 300);
		punch(w, vmsa_gpa(1), 1);
		expect_no_vmsa(w, 1);
	}
	TEST_ASSERT(w->aps[1].ucalls, "vCPU never exited for a ucall");

	probe();
	world_destroy(w);
}

static void test_memslot_delete(void)
{
	struct world *w = world_create(1);
	u64 offset;
	int fd;

	ap_create(w, 1);
	expect_runs(w, 1);

	/* The file, and thus the page, survives the memslot. */
	fd = dup(snp_gmem_fd(w->vm, vmsa_gpa(1), &offset));
	TEST_ASSERT(fd >= 0, "dup() failed");
	vm_mem_region_delete(w->vm, VMSA_SLOT);
	expect_no_vmsa(w, 1);
	expect_bsp_runs(w);

	punch_file(fd, offset, PAGE_SIZE);
	probe();
	close(fd);
	probe();

	ap_create_at(w, 1, other_gpa(1));
	expect_runs(w, 1);
	world_destroy(w);
}

static void test_memslot_move(void)
{
	struct world *w = world_create(1);
	struct kvm_userspace_memory_region2 region;
	u64 returns;
	int r;

	ap_create(w, 1);
	returns = expect_runs(w, 1);

	/* KVM doesn't let memslots with guest_memfd move. */
	region = memslot2region(w->vm, VMSA_SLOT)->region;
	region.guest_phys_addr = NO_MEM;
	r = __vm_ioctl(w->vm, KVM_SET_USER_MEMORY_REGION2, &region);
	TEST_ASSERT(r == -1 && errno == EINVAL, "Moved a memslot with guest_memfd");
	expect_unharmed(w, 1, returns);

	/* What userspace can do instead: the same file, at another address. */
	set_memslot(w, VMSA_SLOT, false);
	expect_no_vmsa(w, 1);
	region = memslot2region(w->vm, VMSA_SLOT)->region;
	region.guest_phys_addr = NO_MEM;
	vm_ioctl(w->vm, KVM_SET_USER_MEMORY_REGION2, &region);
	expect_no_vmsa(w, 1);

	punch_file(region.guest_memfd, 0, region.memory_size);
	probe();

	ap_create_at(w, 1, other_gpa(1));
	expect_runs(w, 1);
	world_destroy(w);
}

static void test_memslot_forgotten(void)
{
	struct world *w = world_create(1);
	struct ap *ap = &w->aps[1];

	ap_create(w, 1);
	expect_runs(w, 1);
	set_memslot(w, VMSA_SLOT, false);
	expect_no_vmsa(w, 1);
	ap_destroy(w, 1);
	expect_blocks(w, 1);
	set_memslot(w, VMSA_SLOT, true);
	ap_park(ap);
	ap_set_runnable(ap);
	ap_unpark(ap);
	expect_no_vmsa(w, 1);

	ap_create(w, 1);
	expect_runs(w, 1);
	world_destroy(w);
}

static void test_memslot_delete_other(void)
{
	struct world *w = world_create(1);
	u64 returns;

	TEST_ASSERT_EQ(bsp_make_private(w, other_gpa(1)), 0);
	ap_create(w, 1);
	returns = expect_runs(w, 1);

	vm_mem_region_delete(w->vm, OTHER_SLOT);
	expect_unharmed(w, 1, returns);

	probe();
	world_destroy(w);
}

static void test_gmem_close(void)
{
	/* A file is closed but once: one of them at least is in the guest then. */
	struct world *w = world_create(3);
	struct userspace_mem_region *region;
	int i;

	for (i = 1; i <= w->nr_aps; i++)
		ap_create(w, i);
	for (i = 1; i <= w->nr_aps; i++)
		expect_runs(w, i);

	region = memslot2region(w->vm, VMSA_SLOT);
	TEST_ASSERT(!close(region->region.guest_memfd), "close() failed");
	region->region.guest_memfd = -1;
	for (i = 1; i <= w->nr_aps; i++)
		expect_no_vmsa(w, i);
	expect_bsp_runs(w);
	probe();

	ap_create_at(w, 1, other_gpa(1));
	expect_runs(w, 1);
	world_destroy(w);
}

static void test_many_vcpus(void)
{
	static const u32 single[] = { 1, MAX_APS / 2, MAX_APS };
	struct world *w = world_create(MAX_APS);
	u64 returns;
	u32 other;
	int i;

	for (i = 1; i <= MAX_APS; i++)
		ap_create(w, i);
	for (i = 1; i <= MAX_APS; i++)
		expect_runs(w, i);

	for (i = 0; i < ARRAY_SIZE(single); i++) {
		other = single[i] == 1 ? 2 : single[i] - 1;

		returns = expect_runs(w, other);
		punch(w, vmsa_gpa(single[i]), 1);
		expect_fails(w, single[i]);
		expect_unharmed(w, other, returns);
		ap_create(w, single[i]);
		expect_runs(w, single[i]);
	}

	punch(w, VMSA_MEM, VMSA_NPAGES);
	for (i = 1; i <= MAX_APS; i++)
		expect_fails(w, i);
	expect_bsp_runs(w);
	probe();

	for (i = 1; i <= MAX_APS; i++)
		ap_create(w, i);
	for (i = 1; i <= MAX_APS; i++)
		expect_runs(w, i);
	world_destroy(w);
}

static void add_wide_mem(struct kvm_vm *vm)
{
	snp_vm_add_private_mem(vm, EXTRA_SLOT, EXTRA_MEM, WIDE_NPAGES);
}

struct invalidator {
	struct world *w;
	unsigned int seed;
	bool go;
	bool stop;
	u64 nr;
};

/*
 * Invalidate what has the address of the VMSA but isn't it, namely the shared
 * memory there, for as long as it takes to change the protection of lots of
 * pages; and private memory of the same file that is somewhere else.
 */
static void *invalidator_thread(void *arg)
{
	const size_t size = WIDE_NPAGES * PAGE_SIZE;
	struct invalidator *inv = arg;
	void *shared = addr_gpa2hva(inv->w->vm, EXTRA_MEM);

	while (!READ_ONCE(inv->stop)) {
		if (!READ_ONCE(inv->go)) {
			sched_yield();
			continue;
		}
		TEST_ASSERT(!mprotect(shared, size, PROT_READ) &&
			    !mprotect(shared, size, PROT_READ | PROT_WRITE),
			    "mprotect() failed");
		punch(inv->w, EXTRA_MEM + size - PAGE_SIZE, 1);
		WRITE_ONCE(inv->nr, inv->nr + 1);
		usleep(rand_r(&inv->seed) % 1000);
	}
	return NULL;
}

static void test_false_positives(void)
{
	struct world *w = world_create_with(1, add_wide_mem);
	struct invalidator inv = { .w = w, .seed = snp_seed };
	void *shared = addr_gpa2hva(w->vm, EXTRA_MEM);
	const u64 gpa = EXTRA_MEM + PAGE_SIZE;
	u64 nr;
	pthread_t thread;
	int i;

	/* Small pages take longer. */
	TEST_ASSERT(!madvise(shared, WIDE_NPAGES * PAGE_SIZE, MADV_NOHUGEPAGE) || errno == EINVAL,
		    "madvise() failed");
	memset(shared, 1, WIDE_NPAGES * PAGE_SIZE);
	pthread_create(&thread, NULL, invalidator_thread, &inv);

	for (i = 0; i < NR_FALSE_ROUNDS; i++) {
		TEST_ASSERT_EQ(bsp_make_vmsa(w, 1, gpa), 0);

		WRITE_ONCE(inv.go, true);
		nr = READ_ONCE(inv.nr);
		wait_until(READ_ONCE(inv.nr) > nr, "Nothing is invalidated");
		TEST_ASSERT_EQ(bsp_request(w, SVM_VMGEXIT_AP_CREATE, 1, gpa), 0);
		expect_unharmed(w, 1, 0);
		WRITE_ONCE(inv.go, false);

		ap_destroy(w, 1);
		expect_stops(w, 1);
	}

	WRITE_ONCE(inv.stop, true);
	pthread_join(thread, NULL);
	probe();
	world_destroy(w);
}

struct preemptor {
	struct world *w;
	sem_t go;
	sem_t done;
	u64 delay_ns;
};

static void *preemptor_thread(void *arg)
{
	struct timespec delay = {};
	struct preemptor *p = arg;

	for (;;) {
		sem_wait(&p->go);
		if (!p->delay_ns)
			return NULL;
		delay.tv_nsec = p->delay_ns;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &delay, NULL);
		punch(p->w, vmsa_gpa(1), 1);
		sem_post(&p->done);
	}
}

/* How long it takes from the request until the vCPU runs. */
static u64 request_ns(struct world *w)
{
	const u64 beats = READ_ONCE(w->ctl->aps[1].beats), start = now_ns();

	TEST_ASSERT_EQ(bsp_request(w, SVM_VMGEXIT_AP_CREATE, 1, vmsa_gpa(1)), 0);
	while (READ_ONCE(w->ctl->aps[1].beats) == beats)
		TEST_ASSERT(now_ns() - start < SNP_WAIT_SECONDS * NSEC_PER_SEC,
			    "vCPU 1 doesn't run");
	return now_ns() - start;
}

/*
 * Whoever punches the hole has the CPU of the vCPU's thread, and takes it from
 * the thread, at any time in the course of an AP Creation.  What KVM does with
 * preemption disabled ends in a good place for that.
 */
static void test_preempted(void)
{
	const struct sched_param fifo = { .sched_priority = 1 };
	struct world *w = world_create(1);
	struct preemptor p = { .w = w };
	u64 min_ns = ~0ull;
	cpu_set_t all, one;
	pthread_t thread;
	int i, cpu;

	TEST_ASSERT(!sched_getaffinity(0, sizeof(all), &all), "sched_getaffinity() failed");
	for (cpu = CPU_SETSIZE - 1; !CPU_ISSET(cpu, &all); cpu--)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sem_init(&p.go, 0, 0);
	sem_init(&p.done, 0, 0);
	pthread_create(&thread, NULL, preemptor_thread, &p);
	TEST_ASSERT(!pthread_setaffinity_np(thread, sizeof(one), &one) &&
		    !pthread_setaffinity_np(w->aps[1].thread, sizeof(one), &one) &&
		    !pthread_setschedparam(thread, SCHED_FIFO, &fifo),
		    "Can't have a CPU and a real-time thread on it");

	for (i = 0; i < NR_PREEMPT_ROUNDS; i++) {
		TEST_ASSERT_EQ(bsp_make_vmsa(w, 1, vmsa_gpa(1)), 0);
		if (i < 10) {
			min_ns = min(min_ns, request_ns(w));
			ap_destroy(w, 1);
			expect_blocks(w, 1);
			continue;
		}

		/* The longest of them may be one that something else delayed. */
		p.delay_ns = 1 + rand_r(&snp_seed) % (2 * min_ns);
		sem_post(&p.go);
		TEST_ASSERT_EQ(bsp_request(w, SVM_VMGEXIT_AP_CREATE, 1, vmsa_gpa(1)), 0);
		sem_wait(&p.done);
		expect_no_vmsa(w, 1);
		ap_destroy(w, 1);
		wait_until(snp_read_stat(w->aps[1].stats_fd, "blocking"), "vCPU 1 doesn't wait");
		if (i % 50 == 49)
			probe();
	}

	p.delay_ns = 0;
	sem_post(&p.go);
	pthread_join(thread, NULL);
	world_destroy(w);
}

static void test_same_vmsa(void)
{
	struct world *w = world_create(2);
	int i;

	/* The CPU lets one of them in at a time, if at all. */
	w->chaos = true;
	for (i = 0; i < NR_SAME_ROUNDS; i++) {
		ap_create(w, 1);
		expect_runs(w, 1);
		bsp_request(w, SVM_VMGEXIT_AP_CREATE, 2, vmsa_gpa(1));
		usleep(100000);

		punch(w, vmsa_gpa(1), 1);
		expect_fails(w, 1);
		expect_fails(w, 2);
		expect_bsp_runs(w);
		probe();
	}

	for (i = 1; i <= 2; i++) {
		ap_create(w, i);
		expect_runs(w, i);
	}
	world_destroy(w);
}

static void *chaos_bsp_thread(void *arg)
{
	struct world *w = arg;

	snp_call(w->vcpus[0], guest_chaos, 0, 0, 0);
	return NULL;
}

struct chaos {
	struct world *w;
	unsigned int seed;
	bool stop;
	u64 nr_ops;
};

static void *chaos_host_thread(void *arg)
{
	struct chaos *c = arg;
	struct world *w = c->w;
	u64 gpa, offset;
	u32 ap;
	int fd;

	fd = snp_gmem_fd(w->vm, VMSA_MEM, &offset);

	while (!READ_ONCE(c->stop)) {
		ap = 1 + rand_r(&c->seed) % w->nr_aps;
		gpa = VMSA_MEM + rand_r(&c->seed) % VMSA_NPAGES * PAGE_SIZE;

		switch (rand_r(&c->seed) % 8) {
		case 0:
			gpa = vmsa_gpa(ap);
			fallthrough;
		case 1:
			punch(w, gpa, 1);
			break;
		case 2:
			punch(w, VMSA_MEM, VMSA_NPAGES);
			break;
		case 3:
			vm_mem_set_shared(w->vm, gpa, PAGE_SIZE);
			punch(w, gpa, 1);
			break;
		case 4:
			vm_mem_set_private(w->vm, gpa, PAGE_SIZE);
			break;
		case 5:
			/* EINTR and the like don't matter. */
			if (fallocate(fd, FALLOC_FL_KEEP_SIZE, gpa - VMSA_MEM, PAGE_SIZE))
				sched_yield();
			break;
		case 6:
			send_nmi(w, ap);
			break;
		case 7:
			send_init_sipi(w, ap);
			break;
		}

		c->nr_ops++;
		if (rand_r(&c->seed) % 4 == 0)
			usleep(rand_r(&c->seed) % 5000);
	}
	return NULL;
}

static void test_chaos(void)
{
	struct world *w = world_create(3);
	const u64 end = now_ns() + chaos_seconds * NSEC_PER_SEC;
	struct chaos chaos[2] = {};
	pthread_t bsp, threads[2];
	int i;

	w->chaos = true;
	w->ctl->seed = snp_seed;
	pthread_create(&bsp, NULL, chaos_bsp_thread, w);
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		chaos[i].w = w;
		chaos[i].seed = snp_seed + i;
		pthread_create(&threads[i], NULL, chaos_host_thread, &chaos[i]);
	}

	while (now_ns() < end) {
		probe();
		usleep(100000);
	}

	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		WRITE_ONCE(chaos[i].stop, true);
		pthread_join(threads[i], NULL);
	}
	WRITE_ONCE(w->ctl->stop, 1);
	pthread_join(bsp, NULL);
	ksft_print_msg("seed %u: %lu rounds in the guest, %lu operations of the host\n",
		       snp_seed, w->ctl->nr_rounds, chaos[0].nr_ops + chaos[1].nr_ops);

	/*
	 * All is forgiven.  KVM drops a SIPI that comes too soon after its INIT,
	 * and then AP Creation alone doesn't get the vCPU to run.
	 */
	for (i = 1; i <= w->nr_aps; i++) {
		send_sipi(w, i);
		ap_destroy(w, i);
		ap_create(w, i);
		expect_runs(w, i);
	}
	probe();
	world_destroy(w);
}

static void test_two_vms(void)
{
	struct world *a = world_create(1);
	struct world *b = world_create(1);
	u64 returns;

	ap_create(a, 1);
	ap_create(b, 1);
	expect_runs(a, 1);
	returns = expect_runs(b, 1);

	punch(a, vmsa_gpa(1), 1);
	expect_fails(a, 1);
	expect_unharmed(b, 1, returns);
	probe();
	world_destroy(a);

	expect_runs(b, 1);
	expect_bsp_runs(b);
	probe();
	world_destroy(b);
}

static void *punch_thread(void *arg)
{
	for (;;)
		punch(arg, VMSA_MEM, VMSA_NPAGES);
	return NULL;
}

static void test_teardown(void)
{
	unsigned int rand = snp_seed;
	pthread_t thread;
	struct world *w;
	int i, status;
	int fds[2];
	pid_t pid;
	char c;

	for (i = 0; i < NR_TEARDOWN_ROUNDS; i++) {
		TEST_ASSERT(!pipe(fds), "pipe() failed");
		pid = fork();
		TEST_ASSERT(pid >= 0, "fork() failed");
		if (!pid) {
			/* In case that the parent runs out of time. */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			w = world_create(2);
			ap_create(w, 1);
			ap_create(w, 2);
			expect_runs(w, 1);
			expect_runs(w, 2);
			/* Some rounds kill the vCPUs on the VMSA, some after. */
			if (i % 2)
				pthread_create(&thread, NULL, punch_thread, w);
			TEST_ASSERT(write(fds[1], "", 1) == 1, "write() failed");
			for (;;)
				pause();
		}

		/* If it failed then it is gone, and so is the pipe. */
		close(fds[1]);
		TEST_ASSERT(read(fds[0], &c, 1) == 1, "VM to be torn down failed");
		close(fds[0]);
		usleep(rand_r(&rand) % 20000);
		kill(pid, SIGKILL);
		TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid() failed");
		probe();
	}
}

static void test_bad_address(void)
{
	static const u64 refused[] = {
		VMSA_MEM + PAGE_SIZE + 8,	/* unaligned */
		VMSA_MEM,			/* 2MiB aligned: hardware erratum */
		1ULL << 52,			/* no physical address at all */
	};
	const struct {
		u64 gpa;
		bool no_page;
	} useless[] = {
		{ NO_MEM + PAGE_SIZE, true },	/* no memslot */
		{ CTL_MEM + PAGE_SIZE, true },	/* memslot without guest_memfd */
		{ other_gpa(5), false },	/* not private yet */
		{ other_gpa(6), false },	/* private, but no VMSA */
	};
	struct world *w = world_create(1);
	int i;

	for (i = 0; i < ARRAY_SIZE(refused); i++)
		TEST_ASSERT(bsp_request(w, SVM_VMGEXIT_AP_CREATE, 1, refused[i]),
			    "AP Creation with VMSA at 0x%lx was not refused", refused[i]);
	/* Should it have been told to run in spite of that, then it would. */
	expect_blocks(w, 1);
	TEST_ASSERT_EQ(w->aps[1].returns, 0);

	TEST_ASSERT_EQ(bsp_make_private(w, other_gpa(6)), 0);
	for (i = 0; i < ARRAY_SIZE(useless); i++) {
		TEST_ASSERT_EQ(bsp_request(w, SVM_VMGEXIT_AP_CREATE, 1, useless[i].gpa), 0);
		if (useless[i].no_page)
			expect_no_vmsa(w, 1);
		else
			expect_fails(w, 1);

		/* INIT doesn't bring back the VMSA that the vCPU was launched with. */
		TEST_ASSERT(send_init_sipi(w, 1), "No INIT, or no SIPI");
		expect_fails(w, 1);

		/* It is no worse for having failed. */
		ap_create(w, 1);
		expect_runs(w, 1);
		ap_destroy(w, 1);
		expect_stops(w, 1);
	}

	probe();
	world_destroy(w);
}

/* Have the page allocated and see in the trace which one it is. */
static u64 alloc_gmem_page(int fd, u64 offset)
{
	unsigned long ino, ofs, pfn, found = 0;
	char *trace, *event;
	struct stat st;

	TEST_ASSERT(!fstat(fd, &st), "fstat() failed");
	trace_start(PAGE_CACHE_EVENT);
	TEST_ASSERT(!fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, PAGE_SIZE),
		    "fallocate() failed");
	trace = trace_stop(PAGE_CACHE_EVENT);

	for (event = trace; (event = strstr(event, " ino ")); event++)
		if (sscanf(event, " ino %lx pfn=%lx ofs=%lu", &ino, &pfn, &ofs) == 3 &&
		    ino == st.st_ino && ofs == offset)
			found = pfn;
	free(trace);

	TEST_ASSERT(found, "No allocation at offset 0x%lx in the trace", offset);
	return found;
}

static void test_memory_failure(void)
{
	u64 offset, pfn;
	struct world *w;
	char value[32];
	int fd, r;

	if (access(PAGE_CACHE_EVENT "/enable", W_OK) || access(CORRUPT_PFN, W_OK)) {
		ksft_print_msg("No %s or no %s\n", PAGE_CACHE_EVENT, CORRUPT_PFN);
		exit(KSFT_SKIP);
	}

	w = world_create(1);
	fd = snp_gmem_fd(w->vm, vmsa_gpa(1), &offset);
	pfn = alloc_gmem_page(fd, offset);
	ap_create(w, 1);
	expect_runs(w, 1);

	/* The page stays in the file, for which some kernels say EBUSY. */
	snprintf(value, sizeof(value), "0x%lx", pfn);
	r = __write_file(CORRUPT_PFN, O_TRUNC, value);
	TEST_ASSERT(!r || r == EBUSY, "Can't poison PFN %s, errno %d", value, r);
	expect_fails(w, 1);
	expect_bsp_runs(w);
	probe();

	/* A new VMSA in the bad page is none; in a new page it is. */
	bsp_request(w, SVM_VMGEXIT_AP_CREATE, 1, vmsa_gpa(1));
	expect_fails(w, 1);
	punch(w, vmsa_gpa(1), 1);
	ap_create(w, 1);
	expect_runs(w, 1);
	world_destroy(w);

	write_file(UNPOISON_PFN, value);
	probe();
}

/*
 * A page that is made private is the CPU's to use a moment later than it is KVM's
 * to find.  That moment gets longer if the kernel has a stack to walk in it.
 */
static void test_page_back(void)
{
	struct world *w;
	int i;
	u64 r;

	if (access(KPROBE_EVENTS, W_OK)) {
		ksft_print_msg("No " KPROBE_EVENTS "\n");
		exit(KSFT_SKIP);
	}

	w = world_create(1);
	ap_create(w, 1);
	expect_runs(w, 1);

	append_file(KPROBE_EVENTS, "p:snp_vmsa rmp_make_private");
	write_file(TRACING "/events/kprobes/snp_vmsa/trigger", "stacktrace");
	write_file(TRACING "/events/kprobes/snp_vmsa/enable", "1");
	WRITE_ONCE(w->hurry, true);

	for (i = 0; i < NR_BACK_ROUNDS; i++) {
		punch(w, vmsa_gpa(1), 1);
		/* All of it is an empty VMSA, on which the vCPU can't run. */
		r = bsp_make_private(w, vmsa_gpa(1));
		TEST_ASSERT(!r || r == SNP_FAIL_INUSE, "Can't have the page back: %lu", r);
	}

	WRITE_ONCE(w->hurry, false);
	write_file(TRACING "/events/kprobes/snp_vmsa/enable", "0");
	write_file(TRACING "/events/kprobes/snp_vmsa/trigger", "!stacktrace");
	append_file(KPROBE_EVENTS, "-:snp_vmsa");

	expect_fails(w, 1);
	probe();
	ap_create(w, 1);
	expect_runs(w, 1);
	world_destroy(w);
}

static const struct snp_case cases[] = {
	{ 1, "AP created, destroyed, created again", test_life_cycle },
	{ 3, "neighbour of the VMSA punched", test_punch_neighbour },
	{ 6, "memslot of the VMSA deleted", test_memslot_delete },
	{ 6, "memslot of the VMSA moved", test_memslot_move },
	{ 6, "another memslot deleted", test_memslot_delete_other },
	{ 7, "guest_memfd of the VMSA closed", test_gmem_close },
	{ 8, "many vCPUs, one punch", test_many_vcpus },
	{ 9, "one VMSA for two vCPUs", test_same_vmsa },
	{ 10, "random creations against random punches", test_chaos },
	{ 11, "two VMs side by side", test_two_vms },
	{ 11, "VM torn down while punching", test_teardown },
	{ 12, "bad VMSA addresses", test_bad_address },
	{ 13, "memory failure in the VMSA", test_memory_failure },
	{ 15, "AP created, something else invalidated", test_false_positives },
	{ 18, "VMSA punched by who preempts its vCPU", test_preempted },
	{ 19, "VMSA punched while its vCPU is in AP reset hold", test_punch_reset_hold },
	{ 19, "VMSA punched between two KVM_RUNs", test_punch_between_runs },
	{ 19, "VMSA punched while its vCPU exits", test_punch_exiting },
	{ 20, "memslot of a destroyed vCPU's VMSA comes back", test_memslot_forgotten },
	{ 21, "pages of punched VMSAs are freed", test_pages_freed },
	{ 22, "VMSA's page comes back while its vCPU tries to run", test_page_back },
};

/* All of it gone, so are the pages.  Can there be another SNP VM? */
static void test_aftermath(void)
{
	struct world *w = world_create(1);

	ap_create(w, 1);
	expect_runs(w, 1);
	world_destroy(w);
}

int main(int argc, char *argv[])
{
	const struct snp_test test = {
		.cases = cases,
		.nr_cases = ARRAY_SIZE(cases),
		.after = test_aftermath,
		.amount = &chaos_seconds,
		.amount_option = 't',
		.amount_help = "number of seconds that case 10 takes",
	};

	return snp_test_main(&test, argc, argv);
}
