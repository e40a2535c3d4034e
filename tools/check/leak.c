// SPDX-License-Identifier: GPL-2.0-only
/*
 * leak MONITOR: what KVM does with a page that RMPUPDATE can't take back from a
 * guest, on the emulated SNP host.
 *
 * MONITOR is a serial port with a QMP monitor of QEMU's behind it, through which the
 * emulator is told to refuse a page.  A page that is refused must never be freed,
 * in whatever way it leaves guest_memfd: the host would die of the next write.  It
 * has to be reported and counted instead.  And there must be no other ways.
 *
 * For each page that has to be leaked a line "leaked PFN" is printed, and "alive"
 * at the end.  Status 0 if KVM did it all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <linux/kvm.h>

#define PAGE_SIZE	4096ul
#define NPAGES		8
#define GPA		0x140000000ul
/* SMT, and a bit that is always set. */
#define SNP_POLICY	0x30000

#define TRACING		"/sys/kernel/tracing"
#define ADD_EVENT	TRACING "/events/filemap/mm_filemap_add_to_page_cache"
#define CORRUPT_PFN	"/sys/kernel/debug/hwpoison/corrupt-pfn"
#define SOFT_OFFLINE	"/sys/devices/system/memory/soft_offline_page"
#define LEAKED_PAGES	"/sys/kernel/debug/kvm/gmem_leaked_pages"

static int monitor, kmsg, kvm_fd, sev_fd;
static unsigned int nr_leaked;
static bool bad;

/* Something that KVM should have done. */
#define expect(cond, ...)					\
do {								\
	if (!(cond)) {						\
		printf("not so: " __VA_ARGS__);			\
		putchar('\n');					\
		bad = true;					\
	}							\
} while (0)

#define do_ioctl(fd, nr, arg)					\
({								\
	int __r = ioctl(fd, nr, arg);				\
								\
	if (__r < 0)						\
		err(2, "%s", #nr);				\
	__r;							\
})

/* Returns 0 or the errno. */
static int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	int r = 0;

	if (fd < 0)
		err(2, "%s", path);
	if (write(fd, value, strlen(value)) < 0)
		r = errno;
	close(fd);
	return r;
}

/* Have commands done by the monitor, and wait until it says this. */
static void monitor_do(const char *commands, const char *answer)
{
	const size_t max = strlen(answer);
	char said[256];
	size_t len = 0;

	if (write(monitor, commands, strlen(commands)) < 0)
		err(2, "monitor");
	do {
		if (len == max)
			memmove(said, said + 1, --len);
		if (read(monitor, said + len, 1) != 1)
			err(2, "monitor");
		len++;
	} while (len < max || memcmp(said, answer, max));
}

static void refuse(unsigned long pfn)
{
	char value[64], commands[512];

	snprintf(value, sizeof(value), "\"0x%lx-0x%lx:3:1\"",
		 pfn * PAGE_SIZE, pfn * PAGE_SIZE + PAGE_SIZE - 1);
	snprintf(commands, sizeof(commands),
		 "{'execute':'qom-set','arguments':{'path':'/machine/snp-rmp','property':'rmpupdate-fail','value':%s}}"
		 "{'execute':'qom-get','arguments':{'path':'/machine/snp-rmp','property':'rmpupdate-fail'}}\n",
		 value);
	monitor_do(commands, value);
}

struct vm {
	int fd;
	int gmem;
	unsigned long pfns[NPAGES];
};

static void sev_op(struct vm *vm, uint32_t id, void *data)
{
	struct kvm_sev_cmd cmd = {
		.id = id,
		.data = (uintptr_t)data,
		.sev_fd = sev_fd,
	};

	if (ioctl(vm->fd, KVM_MEMORY_ENCRYPT_OP, &cmd))
		err(2, "SEV command %u (firmware: %u)", id, cmd.error);
}

static void set_memslot(struct vm *vm, uint64_t size)
{
	static void *shared;
	struct kvm_userspace_memory_region2 region = {
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = GPA,
		.memory_size = size,
		.guest_memfd = vm->gmem,
	};

	if (!shared)
		shared = mmap(NULL, NPAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	region.userspace_addr = (uintptr_t)shared;
	do_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION2, &region);
}

/* A VM whose memory is the guest's in the RMP; it needn't run for that. */
static void vm_create(struct vm *vm)
{
	struct kvm_create_guest_memfd gmem = { .size = NPAGES * PAGE_SIZE };
	struct kvm_memory_attributes attr = {
		.address = GPA,
		.size = NPAGES * PAGE_SIZE,
		.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	};
	struct kvm_sev_init init = {};
	struct kvm_sev_snp_launch_start start = { .policy = SNP_POLICY };
	struct kvm_sev_snp_launch_update update = {
		.gfn_start = GPA / PAGE_SIZE,
		.len = NPAGES * PAGE_SIZE,
		.type = KVM_SEV_SNP_PAGE_TYPE_NORMAL,
	};
	unsigned long ino, pfn, ofs;
	char line[512], *event;
	struct stat st;
	FILE *trace;
	void *src;
	int i;

	memset(vm, 0, sizeof(*vm));
	vm->fd = do_ioctl(kvm_fd, KVM_CREATE_VM, KVM_X86_SNP_VM);
	sev_op(vm, KVM_SEV_INIT2, &init);
	vm->gmem = do_ioctl(vm->fd, KVM_CREATE_GUEST_MEMFD, &gmem);
	set_memslot(vm, NPAGES * PAGE_SIZE);
	do_ioctl(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attr);
	sev_op(vm, KVM_SEV_SNP_LAUNCH_START, &start);

	src = mmap(NULL, NPAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	update.uaddr = (uintptr_t)src;

	write_file(TRACING "/trace", "\n");
	write_file(ADD_EVENT "/enable", "1");
	sev_op(vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update);
	write_file(ADD_EVENT "/enable", "0");
	munmap(src, NPAGES * PAGE_SIZE);

	trace = fopen(TRACING "/trace", "r");
	if (!trace || fstat(vm->gmem, &st))
		err(2, "trace");
	while (fgets(line, sizeof(line), trace)) {
		event = strstr(line, " ino ");
		if (event && sscanf(event, " ino %lx pfn=%lx ofs=%lu", &ino, &pfn, &ofs) == 3 &&
		    ino == st.st_ino && ofs / PAGE_SIZE < NPAGES)
			vm->pfns[ofs / PAGE_SIZE] = pfn;
	}
	fclose(trace);
	for (i = 0; i < NPAGES; i++)
		if (!vm->pfns[i])
			errx(2, "Page %d isn't in the trace", i);
}

static void vm_free(struct vm *vm)
{
	close(vm->fd);
	if (vm->gmem >= 0)
		close(vm->gmem);
}

static void punch(struct vm *vm, unsigned int page, unsigned int n)
{
	if (fallocate(vm->gmem, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
		      page * PAGE_SIZE, n * PAGE_SIZE))
		err(2, "fallocate");
}

/* Pages of guest_memfd are unmovable, and so are those of pipes. */
static void write_pipe_pages(void)
{
	static char buf[65536];
	int fds[2];

	if (pipe2(fds, O_NONBLOCK))
		err(2, "pipe");
	fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
	while (write(fds[1], buf, sizeof(buf)) > 0)
		;
	close(fds[0]);
	close(fds[1]);
}

/* What was freed is written to, whatever list of the page allocator it is on. */
static void write_free_pages(void)
{
	size_t size = sysconf(_SC_AVPHYS_PAGES) * PAGE_SIZE / 2;
	cpu_set_t all, one;
	void *mem;
	int cpu;

	sched_getaffinity(0, sizeof(all), &all);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		write_pipe_pages();
	}
	sched_setaffinity(0, sizeof(all), &all);

	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (mem == MAP_FAILED)
		err(2, "mmap");
	munmap(mem, size);
}

/* This page, and no other, was leaked just now. */
static void expect_leaked(const char *how, unsigned long pfn)
{
	char record[8192], text[64];
	unsigned int n = 0;
	bool said = false;
	ssize_t len;
	FILE *f;

	nr_leaked++;
	write_free_pages();

	f = fopen(LEAKED_PAGES, "r");
	if (!f || fscanf(f, "%u", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	expect(n == nr_leaked, "%s: %u pages leaked according to " LEAKED_PAGES ", not %u",
	       how, n, nr_leaked);

	snprintf(text, sizeof(text), "leaked 1 page(s) at PFN 0x%lx,", pfn);
	while ((len = read(kmsg, record, sizeof(record) - 1)) > 0 || (len < 0 && errno == EPIPE)) {
		if (len < 0)
			continue;
		record[len] = 0;
		said |= !!strstr(record, text);
	}
	expect(said, "%s: the kernel says '%s'", how, text);
	printf("%s: leaked %lx\n", how, pfn);
	fflush(stdout);
}

/* How many pages there are in the file. */
static uint64_t nr_pages(struct vm *vm)
{
	struct { uint64_t off, len; } range = { .len = NPAGES * PAGE_SIZE };
	struct { uint64_t cache, dirty, writeback, evicted, recently_evicted; } stat;

	if (syscall(451 /* cachestat */, vm->gmem, &range, &stat, 0))
		err(2, "cachestat");
	return stat.cache;
}

int main(int argc, char *argv[])
{
	struct termios tio;
	char value[32];
	struct vm vm;
	int r;

	if (argc != 2)
		errx(2, "usage: leak MONITOR");
	monitor = open(argv[1], O_RDWR | O_NOCTTY);
	if (monitor < 0 || tcgetattr(monitor, &tio))
		err(2, "%s", argv[1]);
	cfmakeraw(&tio);
	cfsetspeed(&tio, B115200);
	tcsetattr(monitor, TCSANOW, &tio);
	/* Until now the line has echoed what came: no JSON goes on after 0xff. */
	monitor_do("\xff{'execute':'qmp_capabilities'}\n", "\"return\"");
	kvm_fd = open("/dev/kvm", O_RDWR);
	sev_fd = open("/dev/sev", O_RDWR);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (kvm_fd < 0 || sev_fd < 0 || kmsg < 0)
		err(2, "/dev/kvm, sev or kmsg");
	lseek(kmsg, 0, SEEK_END);

	/* Soft offlining takes pages away from whoever lets go of them. */
	vm_create(&vm);
	snprintf(value, sizeof(value), "0x%lx", vm.pfns[1] * PAGE_SIZE);
	r = write_file(SOFT_OFFLINE, value);
	expect(r, "soft offlining is refused");
	expect(nr_pages(&vm) == NPAGES, "soft offlining leaves the page in the file");
	printf("soft offline: %s, %lu pages\n", strerror(r), nr_pages(&vm));

	refuse(vm.pfns[4]);
	punch(&vm, 0, NPAGES);
	expect_leaked("punch", vm.pfns[4]);
	vm_free(&vm);

	/* The VM doesn't matter any more when the last reference is dropped. */
	vm_create(&vm);
	set_memslot(&vm, 0);
	refuse(vm.pfns[2]);
	close(vm.gmem);
	vm.gmem = -1;
	expect_leaked("release", vm.pfns[2]);
	vm_free(&vm);

	/* KVM keeps a poisoned page in the file, until it is punched out. */
	vm_create(&vm);
	snprintf(value, sizeof(value), "0x%lx", vm.pfns[3]);
	r = write_file(CORRUPT_PFN, value);
	if (r && r != EBUSY)
		errx(2, "Can't poison PFN %s: %s", value, strerror(r));
	refuse(vm.pfns[3]);
	punch(&vm, 3, 1);
	expect_leaked("memory failure", vm.pfns[3]);
	vm_free(&vm);

	write_free_pages();
	puts("alive");
	return bad;
}
