/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests whose failure may be that of the host: they run on request only, each case
 * in a process of its own, and after each of them the host is looked at.
 */
#ifndef SELFTEST_KVM_SNP_CASES_H
#define SELFTEST_KVM_SNP_CASES_H

#include <time.h>
#include <unistd.h>

#include "test_util.h"
#include "kvm_util.h"

/* A hang is a failure.  Generous, the host may be slow. */
#define SNP_WAIT_SECONDS	60

struct snp_case {
	unsigned int number;
	const char *name;
	void (*fn)(void);
};

struct snp_test {
	const struct snp_case *cases;
	unsigned int nr_cases;
	/* What it takes apart from SNP, if anything. */
	unsigned int cap;
	/* Has to work whatever the case before it did, or that one has failed. */
	void (*after)(void);
	/* How much there is to do, in a unit that takes a second at most. */
	unsigned int *amount;
	char amount_option;
	const char *amount_help;
};

/* The seed of what is random. */
extern unsigned int snp_seed;

int snp_test_main(const struct snp_test *test, int argc, char *argv[]);
void snp_probe_host(void);
void snp_on_each_cpu(void (*fn)(void));
void snp_drain_lru(void);

static inline u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

#define wait_until(cond, fmt, ...)						\
do {										\
	const u64 deadline = now_ns() + SNP_WAIT_SECONDS * NSEC_PER_SEC;	\
										\
	while (!(cond)) {							\
		TEST_ASSERT(now_ns() < deadline, "Timed out: " fmt, ##__VA_ARGS__); \
		usleep(500);							\
	}									\
} while (0)

#endif /* SELFTEST_KVM_SNP_CASES_H */
