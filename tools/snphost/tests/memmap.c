// SPDX-License-Identifier: GPL-2.0-only
/* A CPU finds its devices while another CPU changes where devices are. */
#include "lib.h"

#define HPET_ID		0xfed00000ull
#define Q35_PCIEXBAR	0x80000060	/* as an address for port CF8h */
#define PCIEXBAREN	BIT(0)
#define CHANGES		1000

static volatile bool stop;
static volatile uint32_t reads, wrong;	/* wrong: the bits that ever were */

/*
 * Without a jump from read to read: a request to take notice of a change comes
 * in between at a jump, and what this looks for is a CPU that has not yet.
 */
static void reader(void *arg)
{
	uint32_t id = *(uint32_t *)arg, got, diff = 0;

	for (; !stop; reads++) {
		asm volatile(".rept 32\n\t"
			     "mov (%[hpet]), %[got]\n\t"
			     "xor %[id], %[got]\n\t"
			     "or %[got], %[diff]\n\t"
			     ".endr"
			     : [diff] "+r"(diff), [got] "=&r"(got)
			     : [hpet] "r"(HPET_ID), [id] "r"(id) : "memory");
		wrong = diff;
	}
}

/* PCIEXBAR takes a region away below the HPET, and gives it back. */
void test_main(void)
{
	uint32_t id = READ32(HPET_ID), bar, before, i;

	outl(0xcf8, Q35_PCIEXBAR);
	bar = inl(0xcfc);
	ok(bar & PCIEXBAREN, "PCIEXBAR is in use");
	if (smp_start() < 2)
		bail("one CPU");
	smp_run(1, reader, &id);
	for (i = 0; i < CHANGES && !wrong; i++) {
		before = reads;
		bar ^= PCIEXBAREN;
		outl(0xcfc, bar);
		while (reads == before)
			pause();
	}
	stop = true;
	smp_wait(1);
	is(wrong, 0, "another CPU reads the HPET's ID, whatever is changed");
	is(READ32(HPET_ID), id, "and so does this one");
}
