// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measure what it costs to punch one page out of the guest_memfd of an SNP VM,
 * depending on the number of its vCPUs and on where their VMSAs are.
 *
 * KVM has to find the vCPUs whose VMSA is in the page, while it holds mmu_lock
 * for write.  None of the vCPUs runs meanwhile, i.e. what is measured is the
 * search, not the time that a CPU takes to leave the guest.
 *
 * The unit is that of the TSC.  On an emulator that counts instructions it may
 * be one instruction, and then the result is exact.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "snp.h"

#define VMSA_SLOT	1
#define CTL_SLOT	2

/* GPAs, which are virtual addresses as well. */
#define VMSA_MEM	0x140000000ULL
#define CTL_MEM		0x1c0000000ULL

/* Every second page is a VMSA, and none is 2MiB aligned. */
#define vmsa_gpa(ap)	(VMSA_MEM + (2 * (uint64_t)(ap) + 1) * PAGE_SIZE)

/* Where APs say that they run. */
#define AP_PORT		0x80

enum vmsas {
	VMSAS_NONE,		/* KVM's own VMSAs only */
	VMSAS_ELSEWHERE,	/* each AP has one, none is punched */
	VMSAS_HIT,		/* each AP has one, one of them is punched */
	NR_VMSAS,
};

static const char * const vmsas_names[NR_VMSAS] = { "none", "elsewhere", "hit" };

/* Memory that the host shares with the guest. */
struct ctl {
	uint64_t gpa;
	uint64_t ap;
	uint64_t ret;
};

#define guest_ctl	((struct ctl *)CTL_MEM)

/* APs run one after the other, and none of them for a second time. */
static uint8_t ap_stack[2 * PAGE_SIZE] __aligned(16);

static void guest_ap(uint64_t id)
{
	snp_guest_init(id);
	/* A GUEST_SYNC() that never returns would cost one of 512 ucalls. */
	for (;;)
		snp_vmgexit(SVM_EXIT_IOIO, AP_PORT << 16 |
			    1 << SVM_IOIO_SIZE_SHIFT | SVM_IOIO_TYPE_MASK, 0);
}

static uint64_t guest_make(uint64_t gpa, uint64_t ap)
{
	void *page = (void *)gpa;
	int r;

	if (!snp_page_state_change(gpa, SNP_PSC_PRIVATE))
		return SNP_FAIL_INPUT;

	r = snp_pvalidate(page, true);
	if (r && r != SNP_NO_CHANGE)
		return r;

	if (!ap)
		return 0;

	snp_vmsa_init(page, guest_ap, ap_stack + sizeof(ap_stack), ap);
	r = snp_rmpadjust(page, SNP_RMPADJUST_VMPL1 | SNP_RMPADJUST_VMSA);
	return r ?: snp_ap_creation(SVM_VMGEXIT_AP_CREATE, ap, gpa);
}

static void guest_bsp(void)
{
	snp_guest_init(0);

	for (;;) {
		GUEST_SYNC(0);
		guest_ctl->ret = guest_make(guest_ctl->gpa, guest_ctl->ap);
	}
}

static void run(struct kvm_vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	struct ucall uc;

	TEST_ASSERT(!snp_vcpu_run(vcpu), "KVM_RUN of vCPU %u failed, errno %d",
		    vcpu->id, errno);

	if (vcpu->id) {
		TEST_ASSERT(run->exit_reason == KVM_EXIT_IO && run->io.port == AP_PORT,
			    "vCPU %u: unexpected exit: %s", vcpu->id,
			    exit_reason_str(run->exit_reason));
		return;
	}

	switch (snp_get_ucall(vcpu, &uc)) {
	case UCALL_SYNC:
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		TEST_FAIL("Boot vCPU: unexpected exit: %s",
			  exit_reason_str(run->exit_reason));
	}
}

/* Make the page at @gpa private memory and, unless it's 0, the VMSA of @ap. */
static void make(struct kvm_vcpu *vcpus[], struct ctl *ctl, uint64_t gpa, uint32_t ap)
{
	ctl->gpa = gpa;
	ctl->ap = ap;
	run(vcpus[0]);
	TEST_ASSERT(!ctl->ret, "Guest: 0x%lx for page 0x%lx of vCPU %u",
		    ctl->ret, gpa, ap);
	if (ap)
		run(vcpus[ap]);
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(uint64_t *)a, y = *(uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void measure(uint32_t nr_vcpus, enum vmsas vmsas, uint32_t rounds)
{
	const uint32_t hit = vmsas == VMSAS_HIT ? (nr_vcpus + 1) / 2 : 0;
	/* A VMSA, or the page before one, half of the others to either side. */
	const uint64_t gpa = hit ? vmsa_gpa(hit) : vmsa_gpa(nr_vcpus / 2) - PAGE_SIZE;
	struct kvm_vcpu **vcpus = calloc(nr_vcpus, sizeof(*vcpus));
	uint64_t *ticks = calloc(rounds, sizeof(*ticks));
	uint64_t offset, start;
	struct kvm_vm *vm;
	struct ctl *ctl;
	int fd, r;
	uint32_t i;

	TEST_ASSERT(vcpus && ticks, "No memory");

	vm = snp_vm_create(nr_vcpus, guest_bsp, vcpus);
	snp_vm_add_private_mem(vm, VMSA_SLOT, VMSA_MEM, 2 * nr_vcpus + 2);
	snp_vm_add_shared_mem(vm, CTL_SLOT, CTL_MEM, 1);
	ctl = addr_gpa2hva(vm, CTL_MEM);
	snp_vm_start(vm);
	run(vcpus[0]);

	for (i = 1; vmsas != VMSAS_NONE && i < nr_vcpus; i++)
		make(vcpus, ctl, vmsa_gpa(i), i);

	fd = snp_gmem_fd(vm, gpa, &offset);
	for (i = 0; i < rounds; i++) {
		/* There has to be a page to punch, and a VMSA if it's one. */
		make(vcpus, ctl, gpa, hit);
		/*
		 * As in an ordinary conversion.  It zaps the SPTE, or else the
		 * punch would do that, and flush the TLB of each vCPU.
		 */
		vm_mem_set_shared(vm, gpa, PAGE_SIZE);

		start = rdtsc();
		r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      offset, PAGE_SIZE);
		ticks[i] = rdtsc() - start;
		TEST_ASSERT(!r, __KVM_SYSCALL_ERROR("fallocate", r));
	}

	qsort(ticks, rounds, sizeof(*ticks), compare);
	printf("punch: vcpus %u vmsas %s minimum %lu median %lu\n", nr_vcpus,
	       vmsas_names[vmsas], ticks[0], ticks[rounds / 2]);
	fflush(stdout);

	kvm_vm_free(vm);
	free(vcpus);
	free(ticks);
}

static void help(const char *name)
{
	printf("usage: %s [-h] [-n vCPUs]... [-r rounds]\n"
	       " -n: number of vCPUs; may be repeated (default: 1 and 8)\n"
	       " -r: punches for each result (default: 20)\n", name);
}

int main(int argc, char *argv[])
{
	uint32_t counts[16] = { 1, 8 }, nr_counts = 0, max = 8, rounds = 20;
	struct rlimit files;
	enum vmsas vmsas;
	int opt, i;

	while ((opt = getopt(argc, argv, "hn:r:")) != -1) {
		switch (opt) {
		case 'n':
			TEST_ASSERT(nr_counts < ARRAY_SIZE(counts), "Too many -n");
			counts[nr_counts] = atoi_positive("vCPUs", optarg);
			max = max(max, counts[nr_counts]);
			nr_counts++;
			break;
		case 'r':
			rounds = atoi_positive("rounds", optarg);
			break;
		case 'h':
		default:
			help(argv[0]);
			return opt == 'h' ? 0 : KSFT_FAIL;
		}
	}
	if (!nr_counts)
		nr_counts = 2;

	TEST_REQUIRE(snp_is_supported());

	/* Each vCPU is a file, and has another one or two in the library. */
	TEST_ASSERT(!getrlimit(RLIMIT_NOFILE, &files), "getrlimit() failed");
	files.rlim_cur = max(files.rlim_cur, (rlim_t)3 * max + 100);
	files.rlim_max = max(files.rlim_max, files.rlim_cur);
	TEST_REQUIRE(!setrlimit(RLIMIT_NOFILE, &files));

	for (i = 0; i < nr_counts; i++) {
		for (vmsas = VMSAS_NONE; vmsas < NR_VMSAS; vmsas++) {
			/* The boot vCPU has the VMSA that it was launched with. */
			if (counts[i] > 1 || vmsas == VMSAS_NONE)
				measure(counts[i], vmsas, rounds);
		}
	}

	return 0;
}
