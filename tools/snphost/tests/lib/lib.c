// SPDX-License-Identifier: GPL-2.0-only
/* Runtime of the bare-metal test programs, see lib.h. */
#include "lib.h"

#define COM1		0x3f8
#define EXIT_PORT	0xf4	/* -device isa-debug-exit,iobase=0xf4 */
#define APIC		0xfee00000ull
#define APIC_ID		0x20
#define APIC_EOI	0xb0
#define APIC_SVR	0xf0
#define APIC_ICR	0x300
#define APIC_ICR2	0x310
#define STACK_PAGES	4

extern char ap_tramp[], ap_tramp_end[], trap_stubs[], image_end[];
extern uint64_t gdt[], boot_pml4[], ap_stack;
void bsp_main(void);
void ap_main(void);
void trap_handler(struct regs *r);

/* ---- C library that the compiler may call ---- */

void *memset(void *d, int c, size_t n)
{
	void *p = d;

	asm volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(c) : "memory");
	return d;
}

void *memcpy(void *d, const void *s, size_t n)
{
	void *p = d;

	asm volatile("rep movsb" : "+D"(p), "+S"(s), "+c"(n) : : "memory");
	return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++) {
		if (*x != *y)
			return *x - *y;
	}
	return 0;
}

/* ---- fw_cfg ---- */

#define FW_CFG_SELECT	0x510
#define FW_CFG_DATA	0x511
#define FW_CFG_NB_CPUS	0x05
#define FW_CFG_DIR	0x19

static unsigned int nr_cpus(void)
{
	outw(FW_CFG_SELECT, FW_CFG_NB_CPUS);
	return inb(FW_CFG_DATA);
}

/* Big-endian, as the numbers in the directory are. */
static uint32_t fw_cfg_read(unsigned int bytes)
{
	uint32_t v = 0;

	while (bytes--)
		v = v << 8 | inb(FW_CFG_DATA);
	return v;
}

uint64_t fw_cfg_number(const char *file)
{
	uint32_t n, size, select, i;
	uint64_t v = 0;
	bool same;
	char c;

	outw(FW_CFG_SELECT, FW_CFG_DIR);
	for (n = fw_cfg_read(4); n; n--) {
		const char *p = file;

		size = fw_cfg_read(4);
		select = fw_cfg_read(4) >> 16;
		same = true;
		for (i = 0; i < 56; i++) {
			c = inb(FW_CFG_DATA);
			same = same && c == *p;
			if (*p)
				p++;
		}
		if (!same)
			continue;
		outw(FW_CFG_SELECT, select);
		for (; size; size--)
			v = v * 10 + inb(FW_CFG_DATA) - '0';
		return v;
	}
	bail("no %s in fw_cfg", file);
}

/* ---- console and results ---- */

static unsigned int results, failures;

static void putc(char c)
{
	while (!(inb(COM1 + 5) & 0x20))
		;
	outb(COM1, c);
}

static void put_num(uint64_t v, unsigned int base, int width, char pad)
{
	char buf[24];
	int n = 0;

	do {
		buf[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (width-- > n)
		putc(pad);
	while (n)
		putc(buf[--n]);
}

void vprintf(const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		char pad = ' ';
		int width = 0, longs = 0;
		uint64_t v;

		if (*fmt != '%') {
			putc(*fmt);
			continue;
		}
		if (*++fmt == '0')
			pad = *fmt++;
		while (*fmt >= '0' && *fmt <= '9')
			width = width * 10 + *fmt++ - '0';
		while (*fmt == 'l') {
			longs++;
			fmt++;
		}
		switch (*fmt) {
		case 's': {
			const char *s = va_arg(ap, const char *);

			while (*s)
				putc(*s++);
			break;
		}
		case 'c':
			putc(va_arg(ap, int));
			break;
		case 'd': {
			int64_t d = longs ? va_arg(ap, int64_t) : va_arg(ap, int);

			if (d < 0) {
				putc('-');
				d = -d;
			}
			put_num(d, 10, width, pad);
			break;
		}
		case 'u':
		case 'x':
			v = longs ? va_arg(ap, uint64_t) : va_arg(ap, unsigned int);
			put_num(v, *fmt == 'x' ? 16 : 10, width, pad);
			break;
		default:
			putc(*fmt);
		}
	}
}

void printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

static void result(bool cond, const char *fmt, va_list ap)
{
	results++;
	if (!cond)
		failures++;
	printf("%sok %u - ", cond ? "" : "not ", results);
	vprintf(fmt, ap);
	printf("\n");
}

bool ok(bool cond, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	result(cond, fmt, ap);
	va_end(ap);
	return cond;
}

bool is(uint64_t got, uint64_t want, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	result(got == want, fmt, ap);
	va_end(ap);
	if (got != want)
		printf("#   got 0x%lx, want 0x%lx\n", got, want);
	return got == want;
}

void skip(const char *name, const char *why)
{
	results++;
	printf("ok %u - %s # SKIP %s\n", results, name, why);
}

static void __attribute__((noreturn)) end(int code)
{
	outl(EXIT_PORT, code);
	for (;;)
		asm volatile("cli; hlt");
}

void bail(const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	end(2);
}

void done(void)
{
	printf("1..%u\n", results);
	end(failures ? 1 : 0);
}

/* ---- memory ---- */

static uint64_t heap = HEAP;

void *alloc_pages(unsigned int n)
{
	void *p = (void *)heap;

	heap += n * PAGE;
	if (heap > HEAP_END)
		bail("out of memory");
	return memset(p, 0, n * PAGE);
}

uint64_t *pt_entry(uint64_t *root, uint64_t va, int level)
{
	uint64_t *table = root;
	int l, i;

	for (l = 4; l > level; l--) {
		uint64_t *e = &table[va >> (3 + 9 * l) & 511];

		if (!(*e & PT_P)) {
			*e = (uint64_t)alloc_page() | PT_P | PT_W | PT_U | PT_A;
		} else if (l < 4 && (*e & PT_PS)) {
			uint64_t *sub = alloc_page();
			uint64_t old = *e;

			/* the pieces of a 1G page stay large */
			if (l == 2)
				old &= ~PT_PS;
			for (i = 0; i < 512; i++)
				sub[i] = old + ((uint64_t)i << (3 + 9 * (l - 1)));
			*e = (uint64_t)sub | PT_P | PT_W | PT_U | PT_A;
		}
		table = (uint64_t *)(*e & PT_ADDR & ~BIT(51));
	}
	return &table[va >> (3 + 9 * level) & 511];
}

uint64_t *va_entry(uint64_t va, int level)
{
	return pt_entry(boot_pml4, va, level);
}

void map(uint64_t va, uint64_t pa, int level, uint64_t flags)
{
	*va_entry(va, level) = pa | flags | (level > 1 ? PT_PS : 0);
	invlpg(va);
}

void map_4k_identity(uint64_t pa, uint64_t len)
{
	uint64_t a;

	for (a = pa; a < pa + len; a += PAGE) {
		va_entry(a, 1);
		invlpg(a);
	}
}

/* ---- traps ---- */

struct idt_gate {
	uint16_t lo, sel, flags, mid;
	uint32_t hi, zero;
} __attribute__((packed));

static struct idt_gate idt[256] __attribute__((aligned(16)));
static struct trap traps[MAX_CPUS];
static uint32_t tss[MAX_CPUS][26] __attribute__((aligned(16)));
static char *user_stack;
void (*irq_hook)(int vector);

struct trap *trap_self(void)
{
	return &traps[cpu_id()];
}

void trap_handler(struct regs *r)
{
	struct trap *t = trap_self();
	uint64_t cr2;

	if (r->vector >= 32) {
		if (irq_hook)
			irq_hook(r->vector);
		apic_eoi();
		return;
	}
	asm volatile("mov %%cr2, %0" : "=r"(cr2));
	if (!t->armed)
		bail("unexpected exception %lu err 0x%lx rip 0x%lx cr2 0x%lx cpu %u",
		     r->vector, r->err, r->rip, cr2, cpu_id());
	t->armed = false;
	t->vector = r->vector;
	t->err = r->err;
	t->rip = r->rip;
	t->cr2 = cr2;
	trap_resume(t->resume);
}

int try_user(void (*fn)(void *), void *arg)
{
	int v;

	if (!user_stack)
		user_stack = alloc_pages(STACK_PAGES);
	v = TRY(enter_user(fn, arg,
			   (uint64_t)user_stack + STACK_PAGES * PAGE - 16));
	return v == TRAP_BP ? NO_TRAP : v;
}

static void traps_init(void)
{
	int i;

	for (i = 0; i < 256; i++) {
		uint64_t stub = (uint64_t)trap_stubs + 16 * i;

		idt[i].lo = stub;
		idt[i].sel = 0x18;
		idt[i].flags = i == TRAP_BP ? 0xee00 : 0x8e00;
		idt[i].mid = stub >> 16;
		idt[i].hi = stub >> 32;
	}
}

static void cpu_init(void)
{
	struct {
		uint16_t limit;
		void *base;
	} __attribute__((packed)) ptr = { sizeof(idt) - 1, idt };
	unsigned int id = cpu_id();
	uint64_t base = (uint64_t)tss[id];
	uint64_t stack = (uint64_t)alloc_pages(STACK_PAGES) +
			 STACK_PAGES * PAGE;

	if (id >= MAX_CPUS)
		bail("APIC ID %u is too big", id);
	tss[id][1] = stack;
	gdt[6 + 2 * id] = 0x67 | (base & 0xffffff) << 16 | 0x89ull << 40 |
			  (base >> 24 & 0xff) << 56;
	gdt[7 + 2 * id] = base >> 32;
	asm volatile("lidt %0; ltr %w1" : : "m"(ptr), "r"(0x30 + 16 * id));
	asm volatile("xsetbv" : : "c"(0), "a"(7), "d"(0));
	/* APIC on, spurious vector 255 */
	WRITE32(APIC + APIC_SVR, 0x1ff);
}

/* ---- CPUs ---- */

static struct {
	void (*volatile fn)(void *);
	void *volatile arg;
} work[MAX_CPUS];
static volatile unsigned int cpus_up = 1;
static bool started;

unsigned int cpu_id(void)
{
	return READ32(APIC + APIC_ID) >> 24;
}

void apic_eoi(void)
{
	WRITE32(APIC + APIC_EOI, 0);
}

void delay_us(unsigned int us)
{
	/* a write to the POST code port takes about a microsecond */
	while (us--)
		outb(0x80, 0);
}

static void icr(unsigned int cpu, uint32_t v)
{
	WRITE32(APIC + APIC_ICR2, cpu << 24);
	WRITE32(APIC + APIC_ICR, v);
	while (READ32(APIC + APIC_ICR) & BIT(12))
		pause();
}

void send_ipi(unsigned int cpu, uint8_t vector)
{
	icr(cpu, 0x4000 | vector);
}

void send_init(unsigned int cpu)
{
	icr(cpu, 0x4500);
}

void ap_main(void)
{
	unsigned int id = cpu_id();

	cpu_init();
	cpus_up++;
	for (;;) {
		void (*fn)(void *) = work[id].fn;

		if (fn) {
			fn(work[id].arg);
			work[id].fn = NULL;
		}
		pause();
	}
}

unsigned int smp_start(void)
{
	unsigned int cpu, i, want;

	started = true;
	memcpy((void *)AP_TRAMPOLINE, ap_tramp, ap_tramp_end - ap_tramp);
	for (cpu = 1; cpu < MAX_CPUS && cpu < nr_cpus(); cpu++) {
		want = cpus_up + 1;
		ap_stack = (uint64_t)alloc_pages(STACK_PAGES) +
			   STACK_PAGES * PAGE - 16;
		send_init(cpu);
		delay_us(200);
		icr(cpu, 0x4600 | AP_TRAMPOLINE >> 12);
		/* Its thread may have to wait for its turn on a busy machine. */
		for (i = 0; i < 20000000 && cpus_up != want; i++)
			delay_us(1);
		if (cpus_up != want)
			bail("CPU %u does not start", cpu);
	}
	return cpus_up;
}

bool smp_up(void)
{
	return started;
}

bool smp_busy(unsigned int cpu)
{
	return work[cpu].fn;
}

void smp_run(unsigned int cpu, void (*fn)(void *), void *arg)
{
	work[cpu].arg = arg;
	work[cpu].fn = fn;
}

void smp_wait(unsigned int cpu)
{
	while (smp_busy(cpu))
		pause();
}

void smp_all(void (*fn)(void *), void *arg)
{
	unsigned int cpu;

	for (cpu = 1; cpu < cpus_up; cpu++) {
		smp_run(cpu, fn, arg);
		smp_wait(cpu);
	}
	fn(arg);
}

void bsp_main(void)
{
	traps_init();
	cpu_init();
	/* no interrupts of the 8259s, whose vectors are those of exceptions */
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	printf("TAP version 13\n");
	test_main();
	done();
}
