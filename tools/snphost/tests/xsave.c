// SPDX-License-Identifier: GPL-2.0-only
/* XSAVEC, and XRSTOR of what it writes: components one after the other. */
#include "lib.h"

#define CR4_OSFXSR	BIT(9)
#define CR4_OSXSAVE	BIT(18)
#define CR4_PKE		BIT(22)
#define SSE		BIT(1)
#define AVX		BIT(2)
#define PKRU		BIT(9)
#define ALL		(BIT(0) | SSE | AVX | PKRU)
#define COMPACTED	BIT(63)

#define MXCSR		(24 / 4)	/* in words of 32 bits */
#define XSTATE_BV	(512 / 8)	/* in words of 64 bits */
#define XCOMP_BV	(520 / 8)
#define RESERVED	(536 / 8)
#define EXTENDED	576

static uint64_t area[512] __attribute__((aligned(64)));
static uint64_t ymm[4] __attribute__((aligned(32)));

static void xsetbv(uint64_t v)
{
	asm volatile("xsetbv" : : "c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

static void xsavec(uint64_t components)
{
	asm volatile("xsavec %0" : "+m"(area)
		     : "a"((uint32_t)components), "d"((uint32_t)(components >> 32)));
}

static int xrstor(uint64_t components)
{
	return TRY(asm volatile("xrstor %0" : : "m"(area), "a"((uint32_t)components),
				"d"((uint32_t)(components >> 32))));
}

static void set_state(uint64_t high, uint32_t pkru)
{
	for (int i = 0; i < 4; i++)
		ymm[i] = high + i;
	asm volatile("vmovdqu %0, %%ymm5" : : "m"(ymm));
	asm volatile("wrpkru" : : "a"(pkru), "c"(0), "d"(0));
}

static uint64_t get_ymm(int i)
{
	asm volatile("vmovdqu %%ymm5, %0" : "=m"(ymm));
	return ymm[i];
}

static uint32_t get_pkru(void)
{
	uint32_t v;

	asm volatile("rdpkru" : "=a"(v) : "c"(0) : "edx");
	return v;
}

static void fill(void)
{
	memset(area, 0xff, sizeof(area));
	for (int i = XSTATE_BV; i < EXTENDED / 8; i++)
		area[i] = 0;
}

void test_main(void)
{
	uint64_t cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXSAVE | CR4_PKE;

	ok(cpuid(0xd, 1).a & BIT(1), "CPUID shows XSAVEC");
	asm volatile("mov %0, %%cr4" : : "r"(cr4));
	xsetbv(BIT(0) | SSE);
	is(cpuid(0xd, 1).b, EXTENDED, "CPUID has the size of what is enabled");
	xsetbv(ALL);
	is(cpuid(0xd, 1).b, EXTENDED + 256 + 8, "and of more");

	fill();
	set_state(0x1000, 0x5554);
	xsavec(SSE | PKRU);
	is(area[XSTATE_BV], SSE | PKRU, "XSAVEC: what is saved");
	is(area[XCOMP_BV], COMPACTED | SSE | PKRU, "what is in the area");
	is(area[EXTENDED / 8] & 0xffffffff, 0x5554, "PKRU is the first component");
	is(area[EXTENDED / 8 + 1], -1ull, "and nothing after it is written");

	xsavec(ALL);
	is(area[XCOMP_BV], COMPACTED | ALL, "XSAVEC of all");
	is(area[EXTENDED / 8 + 2 * 5], 0x1002, "the upper half of YMM5 is in its place");
	is(area[(EXTENDED + 256) / 8] & 0xffffffff, 0x5554, "PKRU comes after it");

	set_state(0x2000, 0);
	is(xrstor(ALL), NO_TRAP, "XRSTOR of it");
	is(get_ymm(1), 0x1001, "YMM5 is back");
	is(get_ymm(3), 0x1003, "with its upper half");
	is(get_pkru(), 0x5554, "PKRU is back");

	area[XSTATE_BV] = PKRU;
	((uint32_t *)area)[MXCSR] = 0x1f00;
	is(xrstor(ALL), NO_TRAP, "XRSTOR without most of it");
	is(get_ymm(0) | get_ymm(3), 0, "YMM5 is as after a reset");
	asm volatile("stmxcsr %0" : "=m"(ymm[0]));
	is((uint32_t)ymm[0], 0x1f80, "so is MXCSR");
	is(get_pkru(), 0x5554, "PKRU is not");

	area[RESERVED] = 1;
	is(xrstor(ALL), TRAP_GP, "the header is not zero where it must be: #GP");
	area[RESERVED] = 0;
	area[XCOMP_BV] = COMPACTED | SSE;
	is(xrstor(ALL), TRAP_GP, "XSTATE_BV has what XCOMP_BV has not: #GP");
	area[XCOMP_BV] = COMPACTED | ALL | BIT(3);
	is(xrstor(ALL), TRAP_GP, "XCOMP_BV has what XCR0 has not: #GP");
}
