// SPDX-License-Identifier: GPL-2.0-only
/* The runtime itself: if this fails, no other program can be believed. */
#include "lib.h"

static volatile unsigned int irqs;
static volatile uint64_t seen;

static void on_irq(int vector)
{
	if (vector == 0x40)
		irqs++;
}

static void ap_work(void *arg)
{
	seen = cpu_id() + *(uint64_t *)arg;
}

static void ap_traps(void *arg)
{
	*(int *)arg = TRY(asm volatile("ud2"));
}

static void ap_irq(void *arg)
{
	*(volatile bool *)arg = true;
	asm volatile("sti" : : : "memory");
	while (!irqs)
		pause();
	asm volatile("cli");
}

static void user_cli(void *arg)
{
	(void)arg;
	asm volatile("cli");
}

static void user_nothing(void *arg)
{
	*(uint64_t *)arg = 99;
}

void test_main(void)
{
	uint64_t va = 0x200000000000ull, *page = alloc_page(), n = 40;
	volatile bool ready = false;
	int vector = 0;

	is(TRY(asm volatile("ud2")), TRAP_UD, "ud2 gives #UD");
	is(TRY((void)READ8(BIT(63))), TRAP_GP, "a non-canonical address gives #GP");
	is(TRY(WRITE8(va, 1)), TRAP_PF, "a write to no page gives #PF");
	is(trap_self()->cr2, va, "CR2 is the address");
	is(trap_self()->err, 2, "the error code says write, not present");
	map(va, (uint64_t)page, 1, PT_P);
	is(TRY(WRITE8(va, 1)), TRAP_PF, "a write to a read-only page gives #PF");
	is(trap_self()->err, 3, "the error code says write, present");
	map(va, (uint64_t)page, 1, PT_P | PT_W);
	is(TRY(WRITE8(va, 7)), NO_TRAP, "a write to a writable page works");
	is(page[0], 7, "and lands there");
	is(try_user(user_cli, NULL), TRAP_GP, "CLI at CPL 3 gives #GP");
	is(try_user(user_nothing, &n), NO_TRAP, "code at CPL 3 runs");
	is(n, 99, "and has an effect");

	if (!ok(smp_start() >= 2, "a second CPU starts"))
		return;
	smp_run(1, ap_work, &n);
	smp_wait(1);
	is(seen, 100, "it runs a function");
	smp_run(1, ap_traps, &vector);
	smp_wait(1);
	is(vector, TRAP_UD, "it takes an exception");
	irq_hook = on_irq;
	smp_run(1, ap_irq, (void *)&ready);
	while (!ready)
		pause();
	send_ipi(1, 0x40);
	smp_wait(1);
	is(irqs, 1, "it takes an interrupt");
}
