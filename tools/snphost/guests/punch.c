/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * punch PID: take the VMSA of an AP away from an SEV-SNP guest of the QEMU with
 * that process ID, as any process with QEMU's rights can: get QEMU's
 * guest_memfd and punch a hole into it.  Where the VMSA is says KVM's
 * tracepoint, when the guest creates the AP; the firmware does so before the
 * kernel does, so it is the last one that counts.
 *
 * The guest's memory is one guest_memfd that is mapped at 0.
 *
 * With the fix KVM_RUN of that vCPU ends with KVM_EXIT_FAIL_ENTRY.  QEMU would stop
 * the whole guest then, and never let it go on: for the other CPU's sake the thread
 * is held when it comes back from KVM_RUN, by a debugger's means, until the guest
 * is done.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/kvm.h>

#define TRACING		"/sys/kernel/tracing/"
#define AP_CREATION	"0x80000013"	/* exit code of the GHCB protocol */
#define AP_DESTROY	2		/* request in bits 0-31 of exit info 1 */
#define PAGE		4096
#define CONSOLE		"/tmp/console"
#define VCPU		"kvm-vcpu:1"	/* the second one */

static void set(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY), len = strlen(value);

	if (fd < 0 || write(fd, value, len) != len)
		err(1, "%s", file);
	close(fd);
}

/* Is there such a line in the log of the guest's kernel? */
static bool guest_says(pid_t pid, const char *pattern)
{
	FILE *file = fopen(CONSOLE, "r");
	bool found = false;
	char line[512];

	if (kill(pid, 0))
		errx(1, "QEMU has ended");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = !fnmatch(pattern, line, 0);
	fclose(file);
	return found;
}

/* The guest physical address of the VMSA of the last AP that was created. */
static unsigned long long last_vmsa(void)
{
	unsigned long long info1, info2, gpa = 0;
	FILE *trace = fopen(TRACING "trace", "r");
	char line[512], *s;

	if (!trace)
		err(1, "trace");
	while (fgets(line, sizeof(line), trace)) {
		s = strstr(line, "exit_info1 ");
		if (s && sscanf(s, "exit_info1 %llx, exit_info2 %llx", &info1, &info2) == 2 &&
		    (info1 & 0xffffffff) != AP_DESTROY)
			gpa = info2;
	}
	fclose(trace);
	return gpa;
}

/*
 * The largest file of that kind that the process has: its number there, and a
 * descriptor of our own.
 */
static int get_file(pid_t pid, const char *kind, int *number)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), best = -1;
	char path[64], link[64];
	struct dirent *entry;
	off_t most = -1;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (pidfd < 0 || !dir)
		err(1, "process %d", pid);
	while ((entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		int fd;

		if (n < 0)
			continue;
		link[n] = 0;
		if (!strstr(link, kind))
			continue;
		fd = syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0);
		if (fd < 0 || fstat(fd, &st))
			err(1, "%s", kind);
		if (st.st_size > most) {
			most = st.st_size;
			best = fd;
			*number = atoi(entry->d_name);
		}
	}
	if (best < 0)
		errx(1, "QEMU has no %s", kind);
	return best;
}

static void resume(pid_t thread, int request, int signal)
{
	if (ptrace(request, thread, 0, signal))
		err(1, "ptrace");
}

/* Stop the thread of the process that does KVM_RUN with that descriptor. */
static pid_t get_thread(pid_t pid, int number)
{
	struct user_regs_struct regs;
	struct dirent *entry;
	char path[64];
	pid_t thread;
	int status;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		err(1, "%s", path);
	while ((entry = readdir(dir))) {
		thread = atoi(entry->d_name);
		if (thread <= 0 || ptrace(PTRACE_SEIZE, thread, 0, PTRACE_O_TRACESYSGOOD))
			continue;
		if (ptrace(PTRACE_INTERRUPT, thread, 0, 0) ||
		    waitpid(thread, &status, __WALL) < 0 ||
		    ptrace(PTRACE_GETREGS, thread, 0, &regs))
			err(1, "ptrace");
		if (regs.orig_rax == SYS_ioctl && regs.rdi == (unsigned int)number && regs.rsi == KVM_RUN)
			return thread;
		resume(thread, PTRACE_DETACH, 0);
	}
	errx(1, "no thread of QEMU runs " VCPU);
}

enum state { RUNS, IN_KVM_RUN, HELD };

/* If the thread has stopped: let it run, until KVM has failed to enter the guest. */
static enum state look_after(pid_t thread, enum state state, const struct kvm_run *run)
{
	struct __ptrace_syscall_info info;
	int status, signal;

	while (state != HELD && waitpid(thread, &status, __WALL | WNOHANG) == thread) {
		if (!WIFSTOPPED(status))
			errx(1, "QEMU has ended");
		signal = WSTOPSIG(status);
		if (signal == (SIGTRAP | 0x80)) {
			if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) < 0)
				err(1, "ptrace");
			signal = 0;
			if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
				if (info.entry.nr == SYS_ioctl && info.entry.args[1] == KVM_RUN)
					state = IN_KVM_RUN;
			} else if (state == IN_KVM_RUN) {
				state = RUNS;
				if (!info.exit.rval && run->exit_reason == KVM_EXIT_FAIL_ENTRY)
					return HELD;
			}
		} else if (status >> 16) {
			signal = 0;
		}
		resume(thread, PTRACE_SYSCALL, signal);
	}
	return state;
}

/* Have some pages, as every program does: the kernel clears them. */
static void use_memory(void)
{
	if (mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED)
		err(1, "mmap");
}

static void quit(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/tmp/monitor" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char answer[4096];

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    write(fd, "quit\n", 5) != 5)
		err(1, "QEMU's monitor");
	while (read(fd, answer, sizeof(answer)) > 0)
		;
}

int main(int argc, char *argv[])
{
	enum state state = RUNS;
	unsigned long long gpa;
	struct kvm_run *run;
	int fd, vcpu, number, i;
	pid_t pid, thread;

	setlinebuf(stdout);
	if (argc != 2)
		errx(2, "usage: punch PID");
	pid = atoi(argv[1]);
	/* Nothing else: a CPU's buffer is full soon, and what is older is lost. */
	set(TRACING "events/kvm/kvm_vmgexit_enter/filter", "exit_reason == " AP_CREATION);
	set(TRACING "events/kvm/kvm_vmgexit_enter/enable", "1");
	while (!guest_says(pid, "*counts: both CPUs are at work*"))
		sleep(1);
	gpa = last_vmsa();
	if (!gpa)
		errx(1, "the guest has created no AP");

	fd = get_file(pid, "kvm-gmem", &number);
	vcpu = get_file(pid, VCPU, &number);
	run = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(1, "kvm_run");
	thread = get_thread(pid, number);
	resume(thread, PTRACE_SYSCALL, 0);
	/* It has to be in the guest, and to stay there. */
	for (i = 0; i < 20; i = state == IN_KVM_RUN ? i + 1 : 0) {
		usleep(10000);
		state = look_after(thread, state, run);
	}

	printf("the AP's VMSA is at %#llx: punching a hole there\n", gpa);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, gpa, PAGE))
		err(1, "fallocate");
	/* The page has gone back to the host: somebody has to get it next. */
	use_memory();

	while (!guest_says(pid, "*snphost * status *")) {
		if (state != HELD) {
			state = look_after(thread, state, run);
			if (state == HELD)
				printf("KVM_RUN of the AP's vCPU: KVM_EXIT_FAIL_ENTRY\n");
		}
		usleep(50000);
	}
	if (state == HELD)
		resume(thread, PTRACE_DETACH, 0);
	quit();
	return 0;
}
