/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runtime of the bare-metal test programs: console, TAP, memory, page tables,
 * traps, CPUs. Everything below 4G is mapped one to one, so a pointer is a
 * physical address. No call may be made by two CPUs at once unless it says so.
 */
#ifndef LIB_H
#define LIB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE		0x1000ull
#define PAGE_2M		0x200000ull
#define BIT(n)		(1ull << (n))
#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * Physical memory: the image is at 2M, pages of alloc_page() come from HEAP.
 * ARENA is for pages that change owner; the runtime never touches it.
 */
#define AP_TRAMPOLINE	0x8000ull
#define HEAP		0x800000ull
#define HEAP_END	0x4000000ull
#define ARENA		0x4000000ull
#define ARENA_END	0x10000000ull

#define MAX_CPUS	4

/* ---- console and results ---- */
void printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void vprintf(const char *fmt, va_list ap);
/* One TAP result; returns cond. */
bool ok(bool cond, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One TAP result: got == want, both values printed if not. */
bool is(uint64_t got, uint64_t want, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void skip(const char *name, const char *why);
/* Ends the program: the rest of the run cannot be had. */
void bail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Prints the plan and ends the machine. */
void done(void) __attribute__((noreturn));
/* The number in a file of fw_cfg (-fw_cfg name=FILE,string=...); bails out. */
uint64_t fw_cfg_number(const char *file);
/* What a program is made of; the runtime calls it on the boot CPU. */
void test_main(void);

void *memset(void *d, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* ---- memory ---- */
void *alloc_pages(unsigned int n);	/* zeroed, never freed */
static inline void *alloc_page(void)
{
	return alloc_pages(1);
}

#define PT_P		BIT(0)
#define PT_W		BIT(1)
#define PT_U		BIT(2)
#define PT_A		BIT(5)
#define PT_D		BIT(6)
#define PT_PS		BIT(7)
#define PT_NX		BIT(63)
#define PT_ADDR		0x000ffffffffff000ull

/*
 * Entry of va at level (1: 4K, 2: 2M, ..) in the table at root; missing upper
 * levels are made from alloc_page(), and a large page on the way is split.
 */
uint64_t *pt_entry(uint64_t *root, uint64_t va, int level);
/* The same for the running page table. */
uint64_t *va_entry(uint64_t va, int level);
void map(uint64_t va, uint64_t pa, int level, uint64_t flags);
void map_4k_identity(uint64_t pa, uint64_t len);
static inline void invlpg(uint64_t va)
{
	asm volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* ---- instructions ---- */
static inline void outb(uint16_t port, uint8_t v)
{
	asm volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outw(uint16_t port, uint16_t v)
{
	asm volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	asm volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return lo | (uint64_t)hi << 32;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v),
		     "d"((uint32_t)(v >> 32)) : "memory");
}

struct cpuid {
	uint32_t a, b, c, d;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid r;

	asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
		     : "a"(leaf), "c"(sub));
	return r;
}

static inline uint64_t read_cr0(void)
{
	uint64_t v;

	asm volatile("mov %%cr0, %0" : "=r"(v));
	return v;
}

static inline uint64_t read_cr3(void)
{
	uint64_t v;

	asm volatile("mov %%cr3, %0" : "=r"(v));
	return v;
}

static inline void write_cr3(uint64_t v)
{
	asm volatile("mov %0, %%cr3" : : "r"(v) : "memory");
}

static inline uint64_t read_cr4(void)
{
	uint64_t v;

	asm volatile("mov %%cr4, %0" : "=r"(v));
	return v;
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return lo | (uint64_t)hi << 32;
}

static inline void pause(void)
{
	asm volatile("pause" : : : "memory");
}

#define READ8(p)	(*(volatile uint8_t *)(p))
#define READ32(p)	(*(volatile uint32_t *)(p))
#define READ64(p)	(*(volatile uint64_t *)(p))
#define WRITE8(p, v)	(*(volatile uint8_t *)(p) = (v))
#define WRITE32(p, v)	(*(volatile uint32_t *)(p) = (v))
#define WRITE64(p, v)	(*(volatile uint64_t *)(p) = (v))

/* ---- traps ---- */
#define TRAP_UD		6
#define TRAP_GP		13
#define TRAP_PF		14
#define TRAP_BP		3
#define TRAP_VC		29
#define NO_TRAP		(-1)

struct regs {
	uint64_t rax, rcx, rdx, rbx, rbp, rsi, rdi;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t vector, err, rip, cs, rflags, rsp, ss;
};

/* The last exception that this CPU took inside TRY(). */
struct trap {
	volatile bool armed;
	volatile int vector;
	uint64_t err, cr2, rip;
	uint64_t resume[8];
};

/*
 * -Wno-clobbered: TRY() changes no variable that is used after a trap, except
 * in its statement; what that assigns is lost if it traps.
 */
struct trap *trap_self(void);
int trap_save(uint64_t *buf) __attribute__((returns_twice));
void trap_resume(uint64_t *buf) __attribute__((noreturn));
void enter_user(void (*fn)(void *), void *arg, uint64_t stack);

/*
 * Runs a statement; gives the vector of the exception that ended it, or
 * NO_TRAP. More about it is in trap_self(). Any CPU; does not nest.
 */
#define TRY(stmt) ({					\
	struct trap *t_ = trap_self();			\
	t_->vector = NO_TRAP;				\
	if (!trap_save(t_->resume)) {			\
		t_->armed = true;			\
		asm volatile("" : : : "memory");	\
		stmt;					\
		asm volatile("" : : : "memory");	\
	}						\
	t_->armed = false;				\
	t_->vector;					\
})

/* fn(arg) at CPL 3: NO_TRAP if it returned, else the vector. */
int try_user(void (*fn)(void *), void *arg);

/* Called for an interrupt (vector 32 and up) after which the code goes on. */
extern void (*irq_hook)(int vector);

/* ---- CPUs ---- */
unsigned int cpu_id(void);		/* local APIC ID; any CPU */
unsigned int smp_start(void);		/* starts all; their number */
bool smp_up(void);			/* has smp_start() been called? */
void smp_run(unsigned int cpu, void (*fn)(void *), void *arg);
bool smp_busy(unsigned int cpu);
void smp_wait(unsigned int cpu);
void smp_all(void (*fn)(void *), void *arg);	/* on every CPU, here too */
void send_ipi(unsigned int cpu, uint8_t vector);
void send_init(unsigned int cpu);
void apic_eoi(void);
void delay_us(unsigned int us);

#endif
