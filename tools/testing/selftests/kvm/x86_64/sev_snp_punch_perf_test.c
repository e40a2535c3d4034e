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

/* A GPA, which is a virtual address as well. */
#define VMSA_MEM	0x140000000ULL

/* Every second page is a VMSA, and none is 2MiB aligned. */
#define vmsa_gpa(ap)	(VMSA_MEM + (2 * (u64)(ap) + 1) * PAGE_SIZE)

/* Where APs say that they run. */
#define AP_PORT		0x80

enum vmsas {
	VMSAS_NONE,		/* KVM's own VMSAs only */
	VMSAS_ELSEWHERE,	/* each AP has one, none is punched */
	VMSAS_HIT,		/* each AP has one, one of them is punched */
	NR_VMSAS,
};

static const char * const vmsas_names[NR_VMSAS] = { "none", "elsewhere", "hit" };

/* APs run one after the other, and none of them for a second time. */
static u8 ap_stack[2 * PAGE_SIZE] __aligned(16);

static void guest_ap(u64 id)
{
	snp_guest_init(id);
	/* A GUEST_SYNC() that never returns would cost one of 512 ucalls. */
	for (;;)
		snp_vmgexit(SVM_EXIT_IOIO, AP_PORT << 16 |
			    1 << SVM_IOIO_SIZE_SHIFT | SVM_IOIO_TYPE_MASK, 0);
}

static u64 guest_create_ap(u32 ap, gpa_t gpa)
{
	return snp_make_vmsa(gpa, guest_ap, ap_stack + sizeof(ap_stack), ap) ?:
	       snp_ap_creation(SVM_VMGEXIT_AP_CREATE, ap, gpa);
}

/* Make the page at @gpa private memory and, unless it's 0, the VMSA of @ap. */
static void make(struct kvm_vcpu *vcpus[], gpa_t gpa, u32 ap)
{
	const struct kvm_run *run = vcpus[ap]->run;

	if (!ap) {
		TEST_ASSERT_EQ(snp_call(vcpus[0], snp_make_private, gpa, 0, 0), 0);
		return;
	}

	TEST_ASSERT_EQ(snp_call(vcpus[0], guest_create_ap, ap, gpa, 0), 0);
	TEST_ASSERT(!snp_vcpu_run(vcpus[ap]), "KVM_RUN of vCPU %u failed, errno %d",
		    ap, errno);
	TEST_ASSERT(run->exit_reason == KVM_EXIT_IO && run->io.port == AP_PORT,
		    "vCPU %u: unexpected exit: %s", ap, exit_reason_str(run->exit_reason));
}

static int compare(const void *a, const void *b)
{
	const u64 x = *(u64 *)a, y = *(u64 *)b;

	return x < y ? -1 : x > y;
}

static void measure(u32 nr_vcpus, enum vmsas vmsas, u32 rounds)
{
	const u32 hit = vmsas == VMSAS_HIT ? (nr_vcpus + 1) / 2 : 0;
	/* A VMSA, or the page before one, half of the others to either side. */
	const gpa_t gpa = hit ? vmsa_gpa(hit) : vmsa_gpa(nr_vcpus / 2) - PAGE_SIZE;
	struct kvm_vcpu **vcpus = calloc(nr_vcpus, sizeof(*vcpus));
	u64 *ticks = calloc(rounds, sizeof(*ticks));
	u64 offset, start;
	struct kvm_vm *vm;
	int fd, r;
	u32 i;

	TEST_ASSERT(vcpus && ticks, "No memory");

	vm = snp_vm_create(nr_vcpus, vcpus);
	snp_vm_add_private_mem(vm, VMSA_SLOT, VMSA_MEM, 2 * nr_vcpus + 2);
	vm_sev_launch(vm, snp_default_policy(), NULL);

	for (i = 1; vmsas != VMSAS_NONE && i < nr_vcpus; i++)
		make(vcpus, vmsa_gpa(i), i);

	fd = snp_gmem_fd(vm, gpa, &offset);
	for (i = 0; i < rounds; i++) {
		/* There has to be a page to punch, and a VMSA if it's one. */
		make(vcpus, gpa, hit);
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
	u32 counts[16] = { 1, 8 }, nr_counts = 0, max = 8, rounds = 20;
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
