// SPDX-License-Identifier: GPL-2.0-only
/* A CPU executes what another CPU has written, and nothing older. */
#include "lib.h"

#define WRITES		2000
#define CODE		3	/* so that one store changes all of what it returns */

static volatile bool stop;
static volatile uint32_t calls, got;

static void caller(void *arg)
{
	uint32_t (*code)(void) = (uint32_t (*)(void))arg;

	for (; !stop; calls++)
		got = code();
}

/*
 * As a kernel patches its code: write, have the other CPU take notice, and rely
 * on it. Returns what was stale, if anything.
 */
static uint32_t patch(uint8_t *page)
{
	uint32_t i, before, stale = 0;

	stop = false;
	smp_run(1, caller, page + CODE);
	for (i = 1; i <= WRITES && !stale; i++) {
		WRITE32(page + CODE + 1, i);
		before = calls;
		/* A call that began after the write has ended. */
		while (calls - before < 2)
			pause();
		if (got != i)
			stale = i;
	}
	stop = true;
	smp_wait(1);
	return stale;
}

void test_main(void)
{
	static const uint8_t code[] = { 0xb8, 0, 0, 0, 0, 0xc3 };	/* mov $0, %eax; ret */
	uint8_t *page = alloc_page(), *alone = alloc_page();
	uint32_t (*stays)(void) = (uint32_t (*)(void))(page + 0x800);

	memcpy(page + CODE, code, sizeof(code));
	memcpy(page + 0x800, code, sizeof(code));
	memcpy(alone + CODE, code, sizeof(code));
	/* QEMU goes on watching a page as long as it has code. */
	is(stays(), 0, "a page with code");
	if (smp_start() < 2)
		bail("one CPU");
	is(patch(page), 0, "no call returns what was there before the write");
	is(patch(alone), 0, "nor if there is no other code in the page");
}
