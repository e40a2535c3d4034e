/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In a guest with two CPUs: the second one counts, until somebody takes it away
 * from outside (see punch.c, which waits for our message in the kernel's log).
 * The first one has to see that, and to go on.
 */
#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static void be_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %d", cpu);
}

int main(void)
{
	volatile unsigned long *count;
	unsigned long last = 0;
	int round, still = 0;
	FILE *log;

	setlinebuf(stdout);
	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (count == MAP_FAILED)
		err(1, "mmap");
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		be_on(1);
		/* Without a system call, lest a lock be lost with the CPU. */
		for (;;)
			(*count)++;
	}
	be_on(0);
	while (!*count)
		sleep(1);
	log = fopen("/dev/kmsg", "w");
	if (!log || fputs("<1>counts: both CPUs are at work\n", log) == EOF || fclose(log))
		err(1, "/dev/kmsg");

	for (round = 0; still < 3; round++) {
		if (round == 180)
			errx(1, "the second CPU goes on");
		sleep(1);
		still = *count == last ? still + 1 : 0;
		last = *count;
	}
	for (round = 1; round <= 5; round++) {
		printf("counts: the second CPU came to %lu and not further; the first one goes on, %d\n",
		       last, round);
		sleep(1);
	}
	return 0;
}
