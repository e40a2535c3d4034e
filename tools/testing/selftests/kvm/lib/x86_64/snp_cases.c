// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests whose failure may be that of the host.
 */
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "snp.h"
#include "snp_cases.h"

#define CONSENT_OPTION	"i-know-it-may-kill-the-host"

#define CASE_SECONDS	300

unsigned int snp_seed;

/* Shared with the cases' processes, as is how much of it has been read. */
static int kmsg;
static unsigned long taint;

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

void snp_on_each_cpu(void (*fn)(void))
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

static void drain_lru(void)
{
	void *mem = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	TEST_ASSERT(mem != MAP_FAILED, "mmap() failed");
	TEST_ASSERT(!madvise(mem, PAGE_SIZE, MADV_COLD), "madvise() failed");
	munmap(mem, PAGE_SIZE);
}

/* A page of a file isn't freed while it is on its way to the LRU lists. */
void snp_drain_lru(void)
{
	snp_on_each_cpu(drain_lru);
}

static unsigned long read_taint(void)
{
	unsigned long value;
	FILE *f;

	f = fopen("/proc/sys/kernel/tainted", "r");
	TEST_ASSERT(f && fscanf(f, "%lu", &value) == 1,
		    "Can't read /proc/sys/kernel/tainted");
	fclose(f);
	return value;
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

static bool is_host_well(void)
{
	const unsigned long new_taint = read_taint();
	bool well = new_taint == taint;
	char record[8192];
	ssize_t n;

	if (!well)
		ksft_print_msg("Kernel got tainted, %lx -> %lx\n", taint, new_taint);
	taint = new_taint;

	for (;;) {
		n = read(kmsg, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return well;
		record[n] = 0;
		if (is_splat(record)) {
			ksft_print_msg("kernel: %s", record);
			well = false;
		}
	}
}

/*
 * A page that is freed although the RMP says that it is the guest's does no harm
 * until somebody writes to it.  Do so.
 */
void snp_probe_host(void)
{
	snp_drain_lru();
	snp_on_each_cpu(write_pipe_pages);
	write_anon_pages();
	TEST_ASSERT(is_host_well(), "The kernel complained");
}

/* Done for the sake of the EINTR that it brings about. */
static void sigusr1_handler(int sig)
{
}

/* Returns KSFT_PASS, KSFT_FAIL or KSFT_SKIP. */
static int run_in_child(void (*fn)(void), unsigned int seconds)
{
	const u64 end = now_ns() + seconds * NSEC_PER_SEC;
	int status;
	pid_t pid, r;

	fflush(stdout);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fn)
			fn();
		snp_probe_host();
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

	if (WIFSIGNALED(status)) {
		ksft_print_msg("killed by signal %d\n", WTERMSIG(status));
		return KSFT_FAIL;
	}
	return WEXITSTATUS(status);
}

static int run_case(const struct snp_test *test, const struct snp_case *c)
{
	const unsigned int seconds = CASE_SECONDS + (test->amount ? *test->amount : 0);
	int result;

	result = run_in_child(c->fn, seconds);
	if (test->after && run_in_child(test->after, seconds) != KSFT_PASS)
		result = KSFT_FAIL;

	/* The last of it is freed only now. */
	if (run_in_child(NULL, seconds) != KSFT_PASS || !is_host_well())
		result = KSFT_FAIL;
	return result == KSFT_PASS || result == KSFT_SKIP ? result : KSFT_FAIL;
}

static void help(const struct snp_test *test, const char *name)
{
	printf("usage: %s [options] --" CONSENT_OPTION "\n"
	       " -c: run the cases with this number only (may be repeated)\n"
	       " -l: list the cases\n"
	       " -s: seed of what is random\n", name);
	if (test->amount)
		printf(" -%c: %s, by default %u\n", test->amount_option,
		       test->amount_help, *test->amount);
}

int snp_test_main(const struct snp_test *test, int argc, char *argv[])
{
	const char options[] = { 'c', ':', 'h', 'l', 's', ':', test->amount_option, ':', 0 };
	const struct snp_case *c, *end = test->cases + test->nr_cases;
	struct sigaction sa = { .sa_handler = sigusr1_handler };
	unsigned int i, nr_selected = 0;
	static int consent;
	static const struct option long_options[] = {
		{ CONSENT_OPTION, no_argument, &consent, 1 },
		{}
	};
	u64 selected = 0;
	int opt;

	snp_seed = time(NULL);
	while ((opt = getopt_long(argc, argv, options, long_options, NULL)) != -1) {
		switch (opt) {
		case 0:
			break;
		case 'c':
			i = atoi_positive("Case", optarg);
			TEST_ASSERT(i < 64, "No case %u", i);
			selected |= BIT_ULL(i);
			break;
		case 'l':
			for (c = test->cases; c < end; c++)
				printf("%u %s\n", c->number, c->name);
			return 0;
		case 's':
			snp_seed = atoi_non_negative("Seed", optarg);
			break;
		case 'h':
			help(test, argv[0]);
			return 0;
		default:
			if (opt == test->amount_option) {
				*test->amount = atoi_positive(test->amount_help, optarg);
				break;
			}
			help(test, argv[0]);
			return KSFT_FAIL;
		}
	}

	for (c = test->cases; c < end; c++)
		if (!selected || selected & BIT_ULL(c->number))
			nr_selected++;
	TEST_ASSERT(nr_selected, "No such case");

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_VM_TYPES));
	TEST_REQUIRE(!test->cap || kvm_has_cap(test->cap));
	__TEST_REQUIRE(snp_is_supported(), "KVM can't run SEV-SNP guests here");
	__TEST_REQUIRE(!access("/dev/kmsg", R_OK), "Reading /dev/kmsg takes root");
	__TEST_REQUIRE(consent,
		       "it kills a host whose kernel lacks the fix; to run it: --" CONSENT_OPTION);

	sigaction(SIGUSR1, &sa, NULL);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	TEST_ASSERT(kmsg >= 0, "Can't open /dev/kmsg");
	lseek(kmsg, 0, SEEK_END);
	taint = read_taint();

	ksft_print_header();
	ksft_set_plan(nr_selected);
	ksft_print_msg("Seed: %u\n", snp_seed);
	for (c = test->cases; c < end; c++)
		if (!selected || selected & BIT_ULL(c->number))
			ksft_test_result_report(run_case(test, c), "%u %s\n",
						c->number, c->name);

	ksft_finished();
}
