// SPDX-License-Identifier: GPL-2.0-only
/*
 * Take the VMSA page of an SNP vCPU away from it, in all the ways there are.
 *
 * A guest gives a vCPU its VMSA out of its own private memory (AP Creation),
 * and userspace can take that memory away at any time.  KVM must then have the
 * vCPU out of the guest before the page is freed, and must not run it again
 * until it is given a new VMSA: KVM_RUN fails with KVM_EXIT_FAIL_ENTRY.  If KVM
 * gets it wrong, the page goes back to the host while the RMP still says that
 * it is the guest's, and the host dies of it sooner or later.  Hence each case
 * ends with a search for such pages.
 *
 * Each case runs in a process of its own, so that one that fails, or never
 * ends, does not take the others with it.
 */
#include <fcntl.h>
#include <getopt.h>
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
#include <time.h>
#include <unistd.h>
#include <linux/mman.h>

#include "apic.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "snp.h"

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
#define TWIN_NPAGES	16
#define WIDE_NPAGES	4096

/* Every second page is a VMSA; the pages between are innocent neighbours. */
#define vmsa_gpa(ap)	(VMSA_MEM + (2 * (ap) - 1) * PAGE_SIZE)
#define other_gpa(nr)	(OTHER_MEM + (nr) * PAGE_SIZE)

/* A hang is a failure.  Generous, the host may be slow. */
#define WAIT_SECONDS	60
#define CASE_SECONDS	300
/* KVM_RUN has to fail at once, NR_FAILS times.  This is not at once any more. */
#define NR_FAILS	5
#define AT_ONCE_NS	(5 * NSEC_PER_SEC)

#define NR_NEIGHBOUR_ROUNDS	1000
#define NR_CONVERSION_ROUNDS	50
#define NR_SAME_ROUNDS		8
#define NR_TEARDOWN_ROUNDS	8
#define NR_FALSE_ROUNDS		30
#define NR_PREEMPT_ROUNDS	200

/* What the boot vCPU can be told to do. */
enum {
	BSP_NOP,
	BSP_PREPARE,	/* make page private and validate it */
	BSP_MAKE_VMSA,	/* likewise, and make it a VMSA */
	BSP_CREATE,	/* likewise, and give it to the AP */
	BSP_REQUEST,	/* nothing but the AP Creation event */
	BSP_DESTROY,
	BSP_CHAOS,
};

/* What an AP does. */
enum {
	AP_SPIN,
	AP_UCALL,
	AP_HALT,
	AP_RESET_HOLD,
};

struct ap_ctl {
	uint64_t mode;
	uint64_t beats;
};

/* Memory that the host shares with the guest. */
struct ctl {
	uint64_t cmd;
	uint64_t ap;
	uint64_t gpa;
	uint64_t request;
	uint64_t ret;

	uint64_t nr_aps;
	uint64_t seed;
	uint64_t stop;
	uint64_t bsp_beats;
	uint64_t nmis;
	struct ap_ctl aps[MAX_APS + 1];
};

static uint32_t seed;
static unsigned int chaos_seconds = 5;

/*
 * Guest
 */

#define guest_ctl	((struct ctl *)CTL_MEM)

/*
 * The stack belongs to the VMSA, not to the vCPU: a vCPU whose VMSA page is also
 * somebody else's runs on whatever VMSA is made there.
 */
static uint8_t ap_stacks[MAX_APS][2 * 4096] __aligned(16);
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

static void guest_nmi_handler(struct ex_regs *regs)
{
	/* NMIs are there for the kick.  An AP that misses one has missed no kick. */
	WRITE_ONCE(guest_ctl->nmis, guest_ctl->nmis + 1);
}

static void guest_ap(uint64_t id)
{
	struct ap_ctl *ap = &guest_ctl->aps[id];
	const uint64_t mode = READ_ONCE(ap->mode);

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
		case AP_HALT:
			asm volatile("hlt");
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

static uint64_t guest_prepare(uint64_t gpa)
{
	int r;

	if (!snp_page_state_change(gpa, SNP_PSC_PRIVATE))
		return SNP_FAIL_INPUT;

	r = snp_pvalidate((void *)gpa, true);
	return r == SNP_NO_CHANGE ? 0 : r;
}

static uint64_t guest_make_vmsa(uint32_t ap, uint64_t gpa, uint64_t patience)
{
	void *page = (void *)gpa;
	uint64_t r;

	r = guest_prepare(gpa);
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

/* Nothing has to succeed here, the host pulls the rug all the time. */
static void guest_chaos(void)
{
	uint64_t rng = guest_ctl->seed;
	uint64_t gpa;
	uint32_t ap;

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

		WRITE_ONCE(guest_ctl->bsp_beats, guest_ctl->bsp_beats + 1);
	}
}

static void guest_bsp(void)
{
	struct ctl *ctl = guest_ctl;

	snp_guest_init(0);

	for (;;) {
		GUEST_SYNC(0);

		ctl->ret = 0;
		switch (READ_ONCE(ctl->cmd)) {
		case BSP_PREPARE:
			ctl->ret = guest_prepare(ctl->gpa);
			break;
		case BSP_MAKE_VMSA:
		case BSP_CREATE:
			ctl->ret = guest_make_vmsa(ctl->ap, ctl->gpa, -1ull);
			if (ctl->ret || ctl->cmd == BSP_MAKE_VMSA)
				break;
			fallthrough;
		case BSP_REQUEST:
			ctl->ret = snp_ap_creation(ctl->request, ctl->ap, ctl->gpa);
			break;
		case BSP_DESTROY:
			ctl->ret = snp_ap_creation(SVM_VMGEXIT_AP_DESTROY, ctl->ap, 0);
			break;
		case BSP_CHAOS:
			guest_chaos();
			break;
		}
		WRITE_ONCE(ctl->bsp_beats, ctl->bsp_beats + 1);
	}
}

/*
 * Host
 */

struct world;

struct ap {
	struct world *w;
	struct kvm_vcpu *vcpu;
	uint32_t id;
	int stats_fd;
	pthread_t thread;
	pid_t tid;

	/* Written by the main thread. */
	bool park;
	bool stop;

	/* Written by the vCPU's thread. */
	bool parked;
	uint64_t returns;
	uint64_t ucalls;
	uint64_t fails;
	uint64_t fail_reason;
	uint32_t first_exit;
};

struct world {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[MAX_APS + 1];
	struct ctl *ctl;
	uint32_t nr_aps;
	/* The guest is up to no good, vCPUs may exit for whatever reason. */
	bool chaos;
	struct ap aps[MAX_APS + 1];
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

#define TRACING			"/sys/kernel/tracing"
#define PAGE_CACHE_EVENT	TRACING "/events/filemap/mm_filemap_add_to_page_cache"
#define KVM_EXIT_EVENT		TRACING "/events/kvm/kvm_exit"
#define CORRUPT_PFN		"/sys/kernel/debug/hwpoison/corrupt-pfn"
#define UNPOISON_PFN		"/sys/kernel/debug/hwpoison/unpoison-pfn"

/* Returns 0 or the errno. */
static int __write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
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
	TEST_ASSERT(!__write_file(path, value), "Can't write '%s' to %s", value, path);
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

/* Done for the sake of the EINTR that it brings about. */
static void sigusr1_handler(int sig)
{
}

#define wait_until(cond, fmt, ...)						\
do {										\
	const uint64_t deadline = now_ns() + WAIT_SECONDS * NSEC_PER_SEC;	\
										\
	while (!(cond)) {							\
		TEST_ASSERT(now_ns() < deadline, "Timed out: " fmt, ##__VA_ARGS__); \
		usleep(500);							\
	}									\
} while (0)

/* Through the binary interface, which doesn't wait for KVM_RUN to return. */
static uint64_t read_stat(struct ap *ap, const char *name)
{
	struct kvm_stats_desc *descs, *desc;
	struct kvm_stats_header header;
	uint64_t value = 0;
	bool found = false;
	int i;

	read_stats_header(ap->stats_fd, &header);
	descs = read_stats_descriptors(ap->stats_fd, &header);
	for (i = 0; i < header.num_desc && !found; i++) {
		desc = get_stats_descriptor(descs, i, &header);
		found = !strcmp(desc->name, name);
		if (found)
			read_stat_data(ap->stats_fd, &header, desc, &value, 1);
	}
	free(descs);

	TEST_ASSERT(found, "KVM has no statistic '%s'", name);
	return value;
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

/* Run the boot vCPU until it has done what it is told. */
static uint64_t bsp_call(struct world *w, uint64_t cmd, uint32_t ap,
			 uint64_t gpa, uint32_t request)
{
	struct ucall uc;
	int r;

	w->ctl->cmd = cmd;
	w->ctl->ap = ap;
	w->ctl->gpa = gpa;
	w->ctl->request = request;

	do {
		r = snp_vcpu_run(w->vcpus[0]);
	} while (r && errno == EINTR);
	TEST_ASSERT(!r, "KVM_RUN of the boot vCPU failed, errno %d", errno);

	switch (snp_get_ucall(w->vcpus[0], &uc)) {
	case UCALL_SYNC:
		return w->ctl->ret;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		TEST_FAIL("Boot vCPU: unexpected exit: %s",
			  exit_reason_str(w->vcpus[0]->run->exit_reason));
	}
}

static struct world *world_create_with(uint32_t nr_aps, void (*add_mem)(struct kvm_vm *vm))
{
	struct world *w = calloc(1, sizeof(*w));
	struct ucall uc;
	int i;

	TEST_ASSERT(w, "No memory");
	w->nr_aps = nr_aps;
	w->vm = snp_vm_create(nr_aps + 1, guest_bsp, w->vcpus);
	snp_vm_add_private_mem(w->vm, VMSA_SLOT, VMSA_MEM, VMSA_NPAGES);
	snp_vm_add_private_mem(w->vm, OTHER_SLOT, OTHER_MEM, OTHER_NPAGES);
	snp_vm_add_shared_mem(w->vm, CTL_SLOT, CTL_MEM, CTL_NPAGES);
	if (add_mem)
		add_mem(w->vm);
	vm_install_exception_handler(w->vm, SNP_VC_VECTOR, guest_vc_handler);
	vm_install_exception_handler(w->vm, NMI_VECTOR, guest_nmi_handler);

	w->ctl = addr_gpa2hva(w->vm, CTL_MEM);
	w->ctl->nr_aps = nr_aps;
	snp_vm_start(w->vm);

	TEST_ASSERT(!snp_vcpu_run(w->vcpus[0]) &&
		    snp_get_ucall(w->vcpus[0], &uc) == UCALL_SYNC,
		    "Boot vCPU doesn't start: %s",
		    exit_reason_str(w->vcpus[0]->run->exit_reason));

	for (i = 1; i <= nr_aps; i++) {
		struct ap *ap = &w->aps[i];

		ap->w = w;
		ap->id = i;
		ap->vcpu = w->vcpus[i];
		/* See read_stat().  Later the ioctl() would wait for KVM_RUN. */
		ap->stats_fd = vcpu_get_stats_fd(ap->vcpu);
		TEST_ASSERT(!pthread_create(&ap->thread, NULL, ap_thread, ap),
			    "pthread_create() failed");
	}
	return w;
}

static struct world *world_create(uint32_t nr_aps)
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

static void ap_create_at(struct world *w, uint32_t ap, uint64_t gpa)
{
	TEST_ASSERT_EQ(bsp_call(w, BSP_CREATE, ap, gpa, SVM_VMGEXIT_AP_CREATE), 0);
}

static void ap_create(struct world *w, uint32_t ap)
{
	ap_create_at(w, ap, vmsa_gpa(ap));
}

static void ap_destroy(struct world *w, uint32_t ap)
{
	TEST_ASSERT_EQ(bsp_call(w, BSP_DESTROY, ap, 0, 0), 0);
}

/* Returns how often the vCPU has come back to userspace so far. */
static uint64_t expect_runs(struct world *w, uint32_t ap)
{
	struct ap_ctl *ctl = &w->ctl->aps[ap];
	const uint64_t beats = READ_ONCE(ctl->beats);

	/* More than one: AP_SPIN may have been about to count when it stopped. */
	wait_until(READ_ONCE(ctl->beats) >= beats + 3, "vCPU %u doesn't run", ap);
	return READ_ONCE(w->aps[ap].returns);
}

/* The vCPU runs and hasn't come back to userspace since @returns was read. */
static void expect_unharmed(struct world *w, uint32_t ap, uint64_t returns)
{
	struct ap_ctl *ctl = &w->ctl->aps[ap];
	const uint64_t beats = READ_ONCE(ctl->beats);

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
		if (!read_stat(ap, "blocking"))
			return false;
		usleep(5000);
	}
	return true;
}

/* The vCPU waits in KVM for something to happen. */
static void expect_blocks(struct world *w, uint32_t ap)
{
	wait_until(is_blocking(&w->aps[ap]), "vCPU %u doesn't wait", ap);
}

/* The vCPU was destroyed, which it needn't know yet. */
static void expect_stops(struct world *w, uint32_t ap)
{
	struct ap_ctl *ctl = &w->ctl->aps[ap];
	uint64_t beats;

	wait_until(({ beats = READ_ONCE(ctl->beats); usleep(100000);
		      beats == READ_ONCE(ctl->beats); }),
		   "vCPU %u runs although it was destroyed", ap);
}

/*
 * The vCPU is out of the guest already, for good; KVM_RUN fails, at once, and
 * does so each time it is tried.
 */
static void expect_fails(struct world *w, uint32_t ap)
{
	const uint64_t beats = READ_ONCE(w->ctl->aps[ap].beats);
	struct ap *a = &w->aps[ap];
	const uint64_t fails = READ_ONCE(a->fails);
	uint64_t start;

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
static void expect_no_vmsa(struct world *w, uint32_t ap)
{
	struct ap *a = &w->aps[ap];
	uint64_t fails;
	char filter[32];
	char *exits;

	expect_fails(w, ap);
	TEST_ASSERT_EQ(a->fail_reason, (uint64_t)SVM_EXIT_ERR);

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
	TEST_ASSERT(!strstr(exits, "kvm_exit: "), "VMRUN without a VMSA: %s", exits);
	free(exits);
}

static void expect_bsp_runs(struct world *w)
{
	const uint64_t beats = w->ctl->bsp_beats;

	bsp_call(w, BSP_NOP, 0, 0, 0);
	TEST_ASSERT_EQ(w->ctl->bsp_beats, beats + 1);
}

static void punch_file(int fd, uint64_t offset, uint64_t size)
{
	TEST_ASSERT(!fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
			       offset, size), "fallocate() failed");
}

static void punch(struct world *w, uint64_t gpa, uint64_t npages)
{
	vm_guest_mem_punch_hole(w->vm, gpa, npages * PAGE_SIZE);
}

static void set_memslot(struct world *w, uint32_t slot, bool there)
{
	struct kvm_userspace_memory_region2 region = memslot2region(w->vm, slot)->region;

	if (!there)
		region.memory_size = 0;
	vm_ioctl(w->vm, KVM_SET_USER_MEMORY_REGION2, &region);
}

/* Returns whether the vCPU has got it, which one that is being reset has not. */
static bool send_msi(struct world *w, uint32_t ap, uint32_t delivery_mode)
{
	struct kvm_msi msi = {
		.address_lo = 0xfee00000 | ap << 12,
		.data = delivery_mode,
	};
	const int r = __vm_ioctl(w->vm, KVM_SIGNAL_MSI, &msi);

	TEST_ASSERT(r >= 0, "KVM_SIGNAL_MSI failed, errno %d", errno);
	return r;
}

#define send_nmi(w, ap)		send_msi(w, ap, APIC_DM_NMI)
#define send_sipi(w, ap)	send_msi(w, ap, APIC_DM_STARTUP)

static bool send_init_sipi(struct world *w, uint32_t ap)
{
	return send_msi(w, ap, APIC_DM_INIT) && send_sipi(w, ap);
}

/*
 * The host
 */

/*
 * Pages of a guest_memfd are unmovable, and the page allocator keeps lists for
 * each CPU and kind of page.  Pipes use unmovable pages as well.
 */
static void write_pipe_pages(void)
{
	enum { NR_PIPES = 2, PIPE_SIZE = 1 << 20 };
	static char buf[65536];
	int fds[NR_PIPES][2];
	ssize_t n;
	int i;

	memset(buf, 0x5a, sizeof(buf));
	for (i = 0; i < NR_PIPES; i++) {
		TEST_ASSERT(!pipe2(fds[i], O_NONBLOCK), "pipe2() failed");
		fcntl(fds[i][1], F_SETPIPE_SZ, PIPE_SIZE);
		do {
			n = write(fds[i][1], buf, sizeof(buf));
		} while (n > 0);
	}
	for (i = 0; i < NR_PIPES; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

static void write_anon_pages(void)
{
	const size_t available = sysconf(_SC_AVPHYS_PAGES) * PAGE_SIZE;
	const size_t size = min(available / 4, 64ul << 20);
	void *mem;

	/* The kernel clears each page that it gives away. */
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(mem != MAP_FAILED, "mmap() failed");
	TEST_ASSERT(!madvise(mem, size, MADV_POPULATE_WRITE), "madvise() failed");
	munmap(mem, size);
}

static void on_each_cpu(void (*fn)(void))
{
	cpu_set_t allowed, one;
	int cpu;

	TEST_ASSERT(!sched_getaffinity(0, sizeof(allowed), &allowed),
		    "sched_getaffinity() failed");
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		TEST_ASSERT(!sched_setaffinity(0, sizeof(one), &one),
			    "sched_setaffinity() failed");
		fn();
	}
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

static void write_freed_pages(void)
{
	on_each_cpu(write_pipe_pages);
	write_anon_pages();
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

static bool is_splat(const char *record)
{
	static const char * const signs[] = {
		"BUG: ", "WARNING: ", "Oops", "Call Trace:", "kernel BUG at",
		"general protection fault", "RMPUPDATE failed", "RMP violation",
		"SEV: Failed", "blocked for more than", "self-detected stall",
		"possible recursive locking", "possible circular locking",
		"Bad page state", "suspicious RCU usage",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(signs); i++)
		if (strstr(record, signs[i]))
			return true;
	return false;
}

struct host {
	unsigned long taint;
	int kmsg;
	struct kvm_vcpu *bystander;
};

static void bystander_code(void)
{
	uint64_t i;

	for (i = 0;; i++)
		GUEST_SYNC(i);
}

static void host_probe(struct host *host)
{
	unsigned long taint;
	char record[8192];
	bool bad = false;
	struct ucall uc;
	ssize_t n;
	int i;

	write_freed_pages();

	for (i = 0; i < 10; i++) {
		vcpu_run(host->bystander);
		TEST_ASSERT_EQ(get_ucall(host->bystander, &uc), UCALL_SYNC);
	}

	for (;;) {
		n = read(host->kmsg, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			break;
		record[n] = 0;
		if (is_splat(record)) {
			ksft_print_msg("kernel: %s", record);
			bad = true;
		}
	}
	TEST_ASSERT(!bad, "The kernel complained");

	taint = read_taint();
	TEST_ASSERT(taint == host->taint, "Kernel got tainted, %lx -> %lx",
		    host->taint, taint);
}

/*
 * The cases
 */

static void test_life_cycle(struct host *host)
{
	struct world *w = world_create(1);
	uint64_t beats;
	int i;

	/* First with the vCPU in KVM_RUN, waiting; then with one that was destroyed. */
	for (i = 0; i < 3; i++) {
		ap_create(w, 1);
		expect_runs(w, 1);

		ap_destroy(w, 1);
		expect_stops(w, 1);
	}

	TEST_ASSERT_EQ(bsp_call(w, BSP_CREATE, 1, vmsa_gpa(1),
				SVM_VMGEXIT_AP_CREATE_ON_INIT), 0);
	beats = READ_ONCE(w->ctl->aps[1].beats);
	usleep(100000);
	TEST_ASSERT_EQ(READ_ONCE(w->ctl->aps[1].beats), beats);
	TEST_ASSERT(send_init_sipi(w, 1), "No INIT, or no SIPI");
	expect_runs(w, 1);

	TEST_ASSERT_EQ(w->aps[1].fails, 0);
	host_probe(host);
	world_destroy(w);
}

static void test_punch(struct host *host)
{
	struct world *w = world_create(1);
	int i;

	for (i = 0; i < 3; i++) {
		ap_create(w, 1);
		expect_runs(w, 1);

		punch(w, vmsa_gpa(1), 1);
		/* If the page was freed too early, don't wait to find out. */
		host_probe(host);
		expect_fails(w, 1);
		expect_bsp_runs(w);
	}

	ap_create(w, 1);
	expect_runs(w, 1);
	world_destroy(w);
}

/* Who is out of the guest anyway can't be seen to exit. */
static void wait_for_beat(struct world *w, uint32_t ap)
{
	const uint64_t beats = READ_ONCE(w->ctl->aps[ap].beats), start = now_ns();

	while (READ_ONCE(w->ctl->aps[ap].beats) == beats)
		TEST_ASSERT(now_ns() - start < WAIT_SECONDS * NSEC_PER_SEC,
			    "vCPU %u doesn't run", ap);
}

/*
 * Does a punch of a neighbour make the vCPU exit?  Timers and the like do as
 * well: compare with punches of a file that no VM uses, turn and turn about, for
 * as long as the others took.
 */
static void punch_many(struct world *w, uint64_t gpa)
{
	enum { NR_TURNS = 20 };
	const int fd = vm_create_guest_memfd(w->vm, PAGE_SIZE, 0);
	uint64_t nr_exits = 0, nr_others = 0, start, middle, exits;
	int i, turn;

	for (turn = 0; turn < NR_TURNS; turn++) {
		exits = read_stat(&w->aps[1], "exits");
		start = now_ns();
		for (i = 0; i < NR_NEIGHBOUR_ROUNDS / NR_TURNS; i++) {
			punch(w, gpa, 1);
			wait_for_beat(w, 1);
		}
		middle = now_ns();
		nr_exits += read_stat(&w->aps[1], "exits") - exits;

		exits = read_stat(&w->aps[1], "exits");
		while (now_ns() - middle < middle - start) {
			punch_file(fd, 0, PAGE_SIZE);
			wait_for_beat(w, 1);
		}
		nr_others += read_stat(&w->aps[1], "exits") - exits;
	}
	close(fd);

	TEST_ASSERT(nr_exits < nr_others + NR_NEIGHBOUR_ROUNDS / 2,
		    "%lu exits for %u punches of a neighbour at 0x%lx, %lu otherwise",
		    nr_exits, NR_NEIGHBOUR_ROUNDS, gpa, nr_others);
}

static void test_punch_neighbour(struct host *host)
{
	struct world *w = world_create(1);
	uint64_t returns;

	TEST_ASSERT_EQ(bsp_call(w, BSP_PREPARE, 0, vmsa_gpa(1) + PAGE_SIZE, 0), 0);
	TEST_ASSERT_EQ(bsp_call(w, BSP_PREPARE, 0, vmsa_gpa(1) - PAGE_SIZE, 0), 0);
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

	host_probe(host);
	world_destroy(w);
}

/* How many pages there are in the guest_memfd. */
static uint64_t nr_gmem_pages(struct world *w, uint64_t gpa, uint64_t npages)
{
	struct cachestat_range range = { .len = npages * PAGE_SIZE };
	struct cachestat stat;
	uint64_t offset;
	int fd;

	fd = snp_gmem_fd(w->vm, gpa, &offset);
	range.off = offset;
	TEST_ASSERT(!syscall(__NR_cachestat, fd, &range, &stat, 0),
		    "cachestat() failed, errno %d", errno);
	return stat.nr_cache;
}

static void test_hole(struct host *host)
{
	struct world *w = world_create(1);
	int i;

	ap_create(w, 1);
	for (i = 0; i < 3; i++) {
		expect_runs(w, 1);
		TEST_ASSERT_EQ(nr_gmem_pages(w, vmsa_gpa(1), 1), 1);

		/* It is for the guest to fill it, and not by a request alone. */
		punch(w, vmsa_gpa(1), 1);
		expect_no_vmsa(w, 1);
		TEST_ASSERT_EQ(nr_gmem_pages(w, vmsa_gpa(1), 1), 0);
		bsp_call(w, BSP_REQUEST, 1, vmsa_gpa(1), SVM_VMGEXIT_AP_CREATE);
		expect_no_vmsa(w, 1);
		TEST_ASSERT_EQ(nr_gmem_pages(w, vmsa_gpa(1), 1), 0);

		ap_create(w, 1);
	}
	expect_runs(w, 1);
	host_probe(host);
	world_destroy(w);
}

static void punch_while_waiting(struct host *host, uint64_t mode)
{
	struct world *w = world_create(1);
	struct ap *ap = &w->aps[1];
	uint64_t beats;

	w->ctl->aps[1].mode = mode;
	ap_create(w, 1);
	wait_until(READ_ONCE(w->ctl->aps[1].beats), "vCPU doesn't start");
	expect_blocks(w, 1);
	beats = READ_ONCE(w->ctl->aps[1].beats);

	punch(w, vmsa_gpa(1), 1);
	host_probe(host);

	/* A vCPU that waits may go on waiting, but not run. */
	ap_park(ap);
	ap_set_runnable(ap);
	ap_unpark(ap);
	expect_fails(w, 1);
	TEST_ASSERT_EQ(ap->first_exit, KVM_EXIT_FAIL_ENTRY);
	TEST_ASSERT_EQ(READ_ONCE(w->ctl->aps[1].beats), beats);

	w->ctl->aps[1].mode = AP_SPIN;
	ap_create(w, 1);
	expect_runs(w, 1);
	host_probe(host);
	world_destroy(w);
}

static void test_punch_halted(struct host *host)
{
	punch_while_waiting(host, AP_HALT);
}

static void test_punch_reset_hold(struct host *host)
{
	punch_while_waiting(host, AP_RESET_HOLD);
}

static void test_punch_between_runs(struct host *host)
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
		host_probe(host);
		ap_unpark(ap);
		expect_fails(w, 1);
		TEST_ASSERT_EQ(ap->first_exit, KVM_EXIT_FAIL_ENTRY);
	}

	ap_create(w, 1);
	expect_runs(w, 1);
	world_destroy(w);
}

static void test_punch_exiting(struct host *host)
{
	struct world *w = world_create(1);
	int i;

	w->ctl->aps[1].mode = AP_UCALL;
	for (i = 0; i < 10; i++) {
		ap_create(w, 1);
		expect_runs(w, 1);
		usleep(i * 300);
		punch(w, vmsa_gpa(1), 1);
		expect_fails(w, 1);
	}
	TEST_ASSERT(w->aps[1].ucalls, "vCPU never exited for a ucall");

	host_probe(host);
	world_destroy(w);
}

struct kicker {
	struct world *w;
	bool stop;
	uint64_t nr;
};

static void *kicker_thread(void *arg)
{
	struct kicker *k = arg;

	/* KVM kicks the vCPU for an NMI and doesn't wait for it to exit. */
	while (!READ_ONCE(k->stop)) {
		if (send_nmi(k->w, 1))
			WRITE_ONCE(k->nr, k->nr + 1);
		sched_yield();
	}
	return NULL;
}

static void test_conversion(struct host *host)
{
	struct world *w = world_create(1);
	struct kicker kickers[2] = {{ .w = w }, { .w = w }};
	pthread_t threads[ARRAY_SIZE(kickers)];
	uint64_t nr;
	int i, j;

	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, kicker_thread, &kickers[i]);

	for (i = 0; i < NR_CONVERSION_ROUNDS; i++) {
		ap_create(w, 1);
		expect_runs(w, 1);
		for (j = 0; j < ARRAY_SIZE(kickers); j++) {
			nr = READ_ONCE(kickers[j].nr);
			wait_until(READ_ONCE(kickers[j].nr) > nr, "vCPU 1 isn't kicked");
		}
		/* KVM kicks for each, but holds them back after the first. */
		wait_until(READ_ONCE(w->ctl->nmis), "vCPU 1 gets no NMI");

		vm_mem_set_shared(w->vm, vmsa_gpa(1), PAGE_SIZE);
		punch(w, vmsa_gpa(1), 1);
		expect_fails(w, 1);
		if (i % 10 == 9)
			host_probe(host);
	}

	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		WRITE_ONCE(kickers[i].stop, true);
		pthread_join(threads[i], NULL);
	}

	ap_create(w, 1);
	expect_runs(w, 1);
	world_destroy(w);
}

static void test_memslot_delete(struct host *host)
{
	struct world *w = world_create(1);
	uint64_t offset;
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
	host_probe(host);
	close(fd);
	host_probe(host);

	ap_create_at(w, 1, other_gpa(1));
	expect_runs(w, 1);
	world_destroy(w);
}

static void test_memslot_move(struct host *host)
{
	struct world *w = world_create(1);
	struct kvm_userspace_memory_region2 region;
	uint64_t returns;
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
	host_probe(host);

	ap_create_at(w, 1, other_gpa(1));
	expect_runs(w, 1);
	world_destroy(w);
}

static void test_memslot_back(struct host *host)
{
	struct world *w = world_create(1);
	struct ap *ap = &w->aps[1];
	int i;

	/* The guest needn't know, if userspace just tries again. */
	ap_create(w, 1);
	for (i = 0; i < 3; i++) {
		expect_runs(w, 1);
		set_memslot(w, VMSA_SLOT, false);
		expect_no_vmsa(w, 1);
		set_memslot(w, VMSA_SLOT, true);
	}
	expect_runs(w, 1);

	/* If it did know, and destroyed the vCPU, then the VMSA is history. */
	set_memslot(w, VMSA_SLOT, false);
	expect_no_vmsa(w, 1);
	ap_destroy(w, 1);
	expect_blocks(w, 1);
	set_memslot(w, VMSA_SLOT, true);
	ap_park(ap);
	ap_set_runnable(ap);
	ap_unpark(ap);
	expect_no_vmsa(w, 1);

	/* It comes back without the page. */
	ap_create(w, 1);
	expect_runs(w, 1);
	set_memslot(w, VMSA_SLOT, false);
	expect_no_vmsa(w, 1);
	set_memslot(w, VMSA_SLOT, true);
	expect_runs(w, 1);
	punch(w, vmsa_gpa(1), 1);
	host_probe(host);
	expect_no_vmsa(w, 1);
	world_destroy(w);
}

static void test_memslot_delete_other(struct host *host)
{
	struct world *w = world_create(1);
	uint64_t returns;

	TEST_ASSERT_EQ(bsp_call(w, BSP_PREPARE, 0, other_gpa(1), 0), 0);
	ap_create(w, 1);
	returns = expect_runs(w, 1);

	vm_mem_region_delete(w->vm, OTHER_SLOT);
	expect_unharmed(w, 1, returns);

	host_probe(host);
	world_destroy(w);
}

static void test_gmem_close(struct host *host)
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
	host_probe(host);

	ap_create_at(w, 1, other_gpa(1));
	expect_runs(w, 1);
	world_destroy(w);
}

static void test_many_vcpus(struct host *host)
{
	static const uint32_t single[] = { 1, MAX_APS / 2, MAX_APS };
	struct world *w = world_create(MAX_APS);
	uint64_t returns;
	uint32_t other;
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
	host_probe(host);

	for (i = 1; i <= MAX_APS; i++)
		ap_create(w, i);
	for (i = 1; i <= MAX_APS; i++)
		expect_runs(w, i);
	world_destroy(w);
}

#define twin_gpa(i)	(EXTRA_MEM + (i) * TWIN_NPAGES * PAGE_SIZE)

static void add_twin_mem(struct kvm_vm *vm)
{
	const uint64_t size = TWIN_NPAGES * PAGE_SIZE;
	const int fd = vm_create_guest_memfd(vm, 2 * size, 0);
	int i;

	for (i = 0; i < 2; i++)
		snp_vm_bind_private_mem(vm, EXTRA_SLOT + i, twin_gpa(i),
					TWIN_NPAGES, fd, i * size);
	close(fd);
}

static void test_two_memslots(struct host *host)
{
	struct world *w = world_create_with(1, add_twin_mem);
	uint64_t gpa, returns, offset;
	int i, fd;

	fd = snp_gmem_fd(w->vm, twin_gpa(0), &offset);
	for (i = 0; i < 2; i++) {
		gpa = twin_gpa(i) + PAGE_SIZE;
		ap_create_at(w, 1, gpa);
		returns = expect_runs(w, 1);
		punch(w, twin_gpa(!i), TWIN_NPAGES);
		expect_unharmed(w, 1, returns);

		/* Both at once. */
		punch_file(fd, 0, 2 * TWIN_NPAGES * PAGE_SIZE);
		host_probe(host);
		expect_fails(w, 1);
	}

	ap_create_at(w, 1, gpa);
	expect_runs(w, 1);
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
	uint64_t nr;
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

static void test_false_positives(struct host *host)
{
	struct world *w = world_create_with(1, add_wide_mem);
	struct invalidator inv = { .w = w, .seed = seed };
	void *shared = addr_gpa2hva(w->vm, EXTRA_MEM);
	const uint64_t gpa = EXTRA_MEM + PAGE_SIZE;
	uint64_t nr;
	pthread_t thread;
	int i;

	/* Small pages take longer. */
	TEST_ASSERT(!madvise(shared, WIDE_NPAGES * PAGE_SIZE, MADV_NOHUGEPAGE) || errno == EINVAL,
		    "madvise() failed");
	memset(shared, 1, WIDE_NPAGES * PAGE_SIZE);
	pthread_create(&thread, NULL, invalidator_thread, &inv);

	for (i = 0; i < NR_FALSE_ROUNDS; i++) {
		TEST_ASSERT_EQ(bsp_call(w, BSP_MAKE_VMSA, 1, gpa, 0), 0);

		WRITE_ONCE(inv.go, true);
		nr = READ_ONCE(inv.nr);
		wait_until(READ_ONCE(inv.nr) > nr, "Nothing is invalidated");
		TEST_ASSERT_EQ(bsp_call(w, BSP_REQUEST, 1, gpa, SVM_VMGEXIT_AP_CREATE), 0);
		expect_unharmed(w, 1, 0);
		WRITE_ONCE(inv.go, false);

		ap_destroy(w, 1);
		expect_stops(w, 1);
	}

	WRITE_ONCE(inv.stop, true);
	pthread_join(thread, NULL);
	host_probe(host);
	world_destroy(w);
}

struct preemptor {
	struct world *w;
	sem_t go;
	sem_t done;
	uint64_t delay_ns;
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
static uint64_t request_ns(struct world *w)
{
	const uint64_t beats = READ_ONCE(w->ctl->aps[1].beats), start = now_ns();

	TEST_ASSERT_EQ(bsp_call(w, BSP_REQUEST, 1, vmsa_gpa(1), SVM_VMGEXIT_AP_CREATE), 0);
	while (READ_ONCE(w->ctl->aps[1].beats) == beats)
		TEST_ASSERT(now_ns() - start < WAIT_SECONDS * NSEC_PER_SEC,
			    "vCPU 1 doesn't run");
	return now_ns() - start;
}

/*
 * Whoever punches the hole has the CPU of the vCPU's thread, and takes it from
 * the thread, at any time in the course of an AP Creation.  What KVM does with
 * preemption disabled ends in a good place for that.
 */
static void test_preempted(struct host *host)
{
	const struct sched_param fifo = { .sched_priority = 1 };
	struct world *w = world_create(1);
	struct preemptor p = { .w = w };
	uint64_t max_ns = 0;
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
		TEST_ASSERT_EQ(bsp_call(w, BSP_MAKE_VMSA, 1, vmsa_gpa(1), 0), 0);
		if (i < 10) {
			max_ns = max(max_ns, request_ns(w));
			ap_destroy(w, 1);
			expect_blocks(w, 1);
			continue;
		}

		p.delay_ns = 1 + rand_r(&seed) % max_ns;
		sem_post(&p.go);
		TEST_ASSERT_EQ(bsp_call(w, BSP_REQUEST, 1, vmsa_gpa(1),
					SVM_VMGEXIT_AP_CREATE), 0);
		sem_wait(&p.done);
		expect_no_vmsa(w, 1);
		ap_destroy(w, 1);
		wait_until(read_stat(&w->aps[1], "blocking"), "vCPU 1 doesn't wait");
		if (i % 50 == 49)
			host_probe(host);
	}

	p.delay_ns = 0;
	sem_post(&p.go);
	pthread_join(thread, NULL);
	world_destroy(w);
}

static void test_same_vmsa(struct host *host)
{
	struct world *w = world_create(2);
	int i;

	/* The CPU lets one of them in at a time, if at all. */
	w->chaos = true;
	for (i = 0; i < NR_SAME_ROUNDS; i++) {
		ap_create(w, 1);
		expect_runs(w, 1);
		bsp_call(w, BSP_REQUEST, 2, vmsa_gpa(1), SVM_VMGEXIT_AP_CREATE);
		usleep(100000);

		punch(w, vmsa_gpa(1), 1);
		expect_fails(w, 1);
		expect_fails(w, 2);
		expect_bsp_runs(w);
		host_probe(host);
	}

	for (i = 1; i <= 2; i++) {
		ap_create(w, i);
		expect_runs(w, i);
	}
	world_destroy(w);
}

static void *chaos_bsp_thread(void *arg)
{
	bsp_call(arg, BSP_CHAOS, 0, 0, 0);
	return NULL;
}

struct chaos {
	struct world *w;
	unsigned int seed;
	bool stop;
	uint64_t nr_ops;
};

static void *chaos_host_thread(void *arg)
{
	struct chaos *c = arg;
	struct world *w = c->w;
	uint64_t gpa, offset;
	uint32_t ap;
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

static void test_chaos(struct host *host)
{
	struct world *w = world_create(3);
	const uint64_t end = now_ns() + chaos_seconds * NSEC_PER_SEC;
	struct chaos chaos[2] = {};
	pthread_t bsp, threads[2];
	int i;

	w->chaos = true;
	w->ctl->seed = seed;
	pthread_create(&bsp, NULL, chaos_bsp_thread, w);
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		chaos[i].w = w;
		chaos[i].seed = seed + i;
		pthread_create(&threads[i], NULL, chaos_host_thread, &chaos[i]);
	}

	while (now_ns() < end) {
		host_probe(host);
		usleep(100000);
	}

	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		WRITE_ONCE(chaos[i].stop, true);
		pthread_join(threads[i], NULL);
	}
	WRITE_ONCE(w->ctl->stop, 1);
	pthread_join(bsp, NULL);
	ksft_print_msg("seed %u: %lu rounds in the guest, %lu operations of the host\n",
		       seed, w->ctl->bsp_beats, chaos[0].nr_ops + chaos[1].nr_ops);

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
	host_probe(host);
	world_destroy(w);
}

static void test_two_vms(struct host *host)
{
	struct world *a = world_create(1);
	struct world *b = world_create(1);
	uint64_t returns;

	ap_create(a, 1);
	ap_create(b, 1);
	expect_runs(a, 1);
	returns = expect_runs(b, 1);

	punch(a, vmsa_gpa(1), 1);
	expect_fails(a, 1);
	expect_unharmed(b, 1, returns);
	host_probe(host);
	world_destroy(a);

	expect_runs(b, 1);
	expect_bsp_runs(b);
	host_probe(host);
	world_destroy(b);
}

static void *punch_thread(void *arg)
{
	for (;;)
		punch(arg, VMSA_MEM, VMSA_NPAGES);
	return NULL;
}

static void test_teardown(struct host *host)
{
	unsigned int rand = seed;
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
		host_probe(host);
	}
}

static void test_bad_address(struct host *host)
{
	static const uint64_t refused[] = {
		VMSA_MEM + PAGE_SIZE + 8,	/* unaligned */
		VMSA_MEM,			/* 2MiB aligned: hardware erratum */
		1ULL << 52,			/* no physical address at all */
	};
	const struct {
		uint64_t gpa;
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
		TEST_ASSERT(bsp_call(w, BSP_REQUEST, 1, refused[i], SVM_VMGEXIT_AP_CREATE),
			    "AP Creation with VMSA at 0x%lx was not refused", refused[i]);
	/* Should it have been told to run in spite of that, then it would. */
	expect_blocks(w, 1);
	TEST_ASSERT_EQ(w->aps[1].returns, 0);

	TEST_ASSERT_EQ(bsp_call(w, BSP_PREPARE, 0, other_gpa(6), 0), 0);
	for (i = 0; i < ARRAY_SIZE(useless); i++) {
		TEST_ASSERT_EQ(bsp_call(w, BSP_REQUEST, 1, useless[i].gpa,
					SVM_VMGEXIT_AP_CREATE), 0);
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

	host_probe(host);
	world_destroy(w);
}

/* Have the page allocated and see in the trace which one it is. */
static uint64_t alloc_gmem_page(int fd, uint64_t offset)
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

static void test_memory_failure(struct host *host)
{
	uint64_t offset, pfn;
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
	r = __write_file(CORRUPT_PFN, value);
	TEST_ASSERT(!r || r == EBUSY, "Can't poison PFN %s, errno %d", value, r);
	expect_fails(w, 1);
	expect_bsp_runs(w);
	host_probe(host);

	/* A new VMSA in the bad page is none; in a new page it is. */
	bsp_call(w, BSP_REQUEST, 1, vmsa_gpa(1), SVM_VMGEXIT_AP_CREATE);
	expect_fails(w, 1);
	punch(w, vmsa_gpa(1), 1);
	ap_create(w, 1);
	expect_runs(w, 1);
	world_destroy(w);

	write_file(UNPOISON_PFN, value);
	host_probe(host);
}

static const struct {
	unsigned int number;
	const char *name;
	void (*fn)(struct host *host);
} cases[] = {
	{ 1, "AP created, destroyed, created again", test_life_cycle },
	{ 2, "VMSA punched while its vCPU spins", test_punch },
	{ 3, "neighbour of the VMSA punched", test_punch_neighbour },
	{ 4, "VMSA punched while its vCPU is halted", test_punch_halted },
	{ 4, "VMSA punched while its vCPU is in AP reset hold", test_punch_reset_hold },
	{ 4, "VMSA punched between two KVM_RUNs", test_punch_between_runs },
	{ 4, "VMSA punched while its vCPU exits", test_punch_exiting },
	{ 5, "VMSA made shared and punched, with kicks", test_conversion },
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
	{ 14, "one guest_memfd, two memslots, one punch", test_two_memslots },
	{ 15, "AP created, something else invalidated", test_false_positives },
	{ 16, "hole stays a hole", test_hole },
	{ 17, "memslot of the VMSA comes back", test_memslot_back },
	{ 18, "VMSA punched by who preempts its vCPU", test_preempted },
};

/* All of it gone, so are the pages.  Can there be another SNP VM? */
static void test_aftermath(struct host *host)
{
	struct world *w = world_create(1);

	ap_create(w, 1);
	expect_runs(w, 1);
	world_destroy(w);
	host_probe(host);
}

static int run_in_child(void (*fn)(struct host *host), struct host *host,
			unsigned int seconds)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid) {
		alarm(seconds);
		/* The VM has to be this process'; the log goes on. */
		vm_create_with_one_vcpu(&host->bystander, bystander_code);
		fn(host);
		exit(KSFT_PASS);
	}

	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid() failed");
	if (WIFSIGNALED(status)) {
		ksft_print_msg("killed by signal %d%s\n", WTERMSIG(status),
			       WTERMSIG(status) == SIGALRM ? ": it took too long" : "");
		return KSFT_FAIL;
	}
	if (WEXITSTATUS(status) == KSFT_SKIP)
		return KSFT_SKIP;
	return WEXITSTATUS(status) ? KSFT_FAIL : KSFT_PASS;
}

static void help(const char *name)
{
	printf("usage: %s [-h] [-l] [-c case] [-s seed] [-t seconds] --" SNP_CONSENT_OPTION "\n"
	       " -c: run the cases with this number only (may be repeated)\n"
	       " -l: list the cases\n"
	       " -s: seed of what is random\n"
	       " -t: time that case 10 takes, by default %u seconds\n",
	       name, chaos_seconds);
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
	struct host host = {};
	int opt, result;

	seed = time(NULL);
	while ((opt = getopt_long(argc, argv, "c:hls:t:", options, NULL)) != -1) {
		switch (opt) {
		case 0:
			break;
		case 'c':
			i = atoi_positive("Case", optarg);
			TEST_ASSERT(i <= cases[ARRAY_SIZE(cases) - 1].number,
				    "No case %u", i);
			selected |= BIT_ULL(i);
			break;
		case 'l':
			for (i = 0; i < ARRAY_SIZE(cases); i++)
				printf("%u %s\n", cases[i].number, cases[i].name);
			return 0;
		case 's':
			seed = atoi_non_negative("Seed", optarg);
			break;
		case 't':
			chaos_seconds = atoi_positive("Number of seconds", optarg);
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
	__TEST_REQUIRE(snp_is_supported(), "KVM can't run SEV-SNP guests here");
	__TEST_REQUIRE(!access("/dev/kmsg", R_OK), "Reading /dev/kmsg takes root");
	snp_require_consent(consent);

	sigaction(SIGUSR1, &sa, NULL);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (!selected || selected & BIT_ULL(cases[i].number))
			nr_selected++;

	ksft_print_header();
	ksft_set_plan(nr_selected);
	ksft_print_msg("Seed: %u\n", seed);

	host.taint = read_taint();
	host.kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	TEST_ASSERT(host.kmsg >= 0, "Can't open /dev/kmsg");
	lseek(host.kmsg, 0, SEEK_END);

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (selected && !(selected & BIT_ULL(cases[i].number)))
			continue;

		result = run_in_child(cases[i].fn, &host, CASE_SECONDS + chaos_seconds);
		if (run_in_child(test_aftermath, &host, CASE_SECONDS) != KSFT_PASS)
			result = KSFT_FAIL;
		/* A splat is reported once. */
		host.taint = read_taint();

		ksft_test_result_report(result, "%u %s\n", cases[i].number, cases[i].name);
	}

	ksft_finished();
}
