/*
 * QTest for the AMD security processor and its SEV and SEV-SNP firmware
 *
 * The machine runs with TCG: a handful of instructions in place of a BIOS turn
 * on SYSCFG.SNP_EN, as only a processor can, and halt.  All the rest is
 * done from here.  Pages are given to the firmware or to a guest, which is
 * RMPUPDATE's job, by writing to the RMP in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "libqtest.h"
#include "libqos/pci-pc.h"
#include "hw/pci/pci_regs.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "crypto/aes.h"

/* Registers */
#define REG_INT_ENABLE  0x10690
#define REG_INT_STATUS  0x10694
#define REG_CMDRESP     0x10980
#define REG_CMDBUF_LO   0x109e0
#define REG_CMDBUF_HI   0x109e4
#define REG_FEATURES    0x109fc

/* Registers of the IOMMU */
#define IOMMU_EVENT_BASE    0xfed80010ULL
#define IOMMU_CONTROL       0xfed80018ULL
#define IOMMU_EXCL_BASE     0xfed80020ULL
#define IOMMU_EXCL_LIMIT    0xfed80028ULL
#define IOMMU_PPR_BASE      0xfed80038ULL

#define IOMMU_ON            (1 << 0)
#define IOMMU_EVENT_LOG     (1 << 2)
#define IOMMU_CMD_BUF       (1 << 12)
#define IOMMU_PPR_LOG       (1 << 13)

/* Commands */
enum {
    INIT = 0x01, SHUTDOWN, PLATFORM_RESET, PLATFORM_STATUS, DF_FLUSH = 0x0a,
    GET_ID = 0x0c, INIT_EX, DECOMMISSION = 0x20, ACTIVATE, DEACTIVATE,
    GUEST_STATUS, COPY,
    LAUNCH_START = 0x30, LAUNCH_UPDATE_DATA, LAUNCH_UPDATE_VMSA,
    LAUNCH_MEASURE, LAUNCH_SECRET, LAUNCH_FINISH,
    DBG_DECRYPT = 0x60, DBG_ENCRYPT,
    SNP_INIT = 0x81, SNP_SHUTDOWN, SNP_PLATFORM_STATUS, SNP_DF_FLUSH,
    SNP_INIT_EX, SNP_SHUTDOWN_EX,
    SNP_DECOMMISSION = 0x90, SNP_ACTIVATE, SNP_GUEST_STATUS, SNP_GCTX_CREATE,
    SNP_GUEST_REQUEST,
    SNP_LAUNCH_START = 0xa0, SNP_LAUNCH_UPDATE, SNP_LAUNCH_FINISH,
    SNP_DBG_DECRYPT = 0xb0, SNP_DBG_ENCRYPT,
    SNP_PAGE_RECLAIM = 0xc7, SNP_PAGE_UNSMASH, SNP_CONFIG,
    SNP_COMMIT = 0xcb, SNP_FEATURE_INFO = 0xce,
};

/* Status */
enum {
    OK = 0x00, BAD_PLATFORM_STATE = 0x01, BAD_GUEST_STATE = 0x02,
    BAD_CONFIG = 0x03, BAD_LENGTH = 0x04, POLICY_FAILURE = 0x07,
    INACTIVE = 0x08, BAD_ADDRESS = 0x09, BAD_MEASUREMENT = 0x0b,
    ASID_OWNED = 0x0c, BAD_ASID = 0x0d, DFFLUSH_REQUIRED = 0x0f,
    BAD_GUEST = 0x10, BAD_COMMAND = 0x11, ACTIVE = 0x12, HW_PLATFORM = 0x13,
    UNSUPPORTED = 0x15,
    BAD_PARAM = 0x16, BAD_PAGE_SIZE = 0x19, BAD_PAGE_STATE = 0x1a,
    BAD_PAGE_OWNER = 0x1c, AEAD_OFLOW = 0x1d, RMP_INIT_REQUIRED = 0x20,
    BAD_KEY = 0x27,
};

/* RMP entry, low quadword */
#define RMP_ASSIGNED    (1ULL << 0)
#define RMP_2M          (1ULL << 1)
#define RMP_IMMUTABLE   (1ULL << 2)
#define RMP_ASID(x)     ((uint64_t)(x) << 51)
#define RMP_VMSA        (1ULL << 61)
#define RMP_VALIDATED   (1ULL << 62)

#define PAGE_HV         0ULL
#define PAGE_HV_FIXED   RMP_IMMUTABLE
#define PAGE_FIRMWARE   (RMP_ASSIGNED | RMP_IMMUTABLE)
#define PAGE_RECLAIM    RMP_ASSIGNED
#define PAGE_CONTEXT    (RMP_ASSIGNED | RMP_IMMUTABLE | RMP_VMSA)
#define PAGE_PRE_GUEST(asid, gpa) \
    (RMP_ASSIGNED | RMP_IMMUTABLE | RMP_ASID(asid) | (gpa))
#define PAGE_GUEST_INVALID(asid, gpa) \
    (RMP_ASSIGNED | RMP_ASID(asid) | (gpa))
#define PAGE_GUEST_VALID(asid, gpa) \
    (RMP_ASSIGNED | RMP_VALIDATED | RMP_ASID(asid) | (gpa))

/* Where things are in memory */
#define FLAG            0x500ULL        /* how many CPUs; +4: for the code */
#define CMD             0x1000000ULL
#define CMD_FW          0x1001000ULL    /* a command buffer for the firmware */
#define OUT             0x1002000ULL
#define LIST            0x1003000ULL
#define GCTX            0x1004000ULL
#define GCTX2           0x1005000ULL
#define REQ             0x1006000ULL
#define RSP             0x1007000ULL
#define DATA            0x1010000ULL
#define EVENT_LOG       0x1020000ULL
#define PPR_LOG         0x1030000ULL
#define COMPLETION      0x1040000ULL
#define TMR             0x1400000ULL
#define LARGE           0x1800000ULL

#define RAM_SIZE        (256 * MiB)
#define NOWHERE         0x100000000000ULL
#define C_BIT           (1ULL << 51)

#define SNP_POLICY      ((1ULL << 17) | (1ULL << 16))
#define SNP_POLICY_DBG  (SNP_POLICY | (1ULL << 19))

typedef struct Psp {
    QTestState *qts;
    QPCIBus *bus;
    QPCIDevice *dev;
    QPCIBar bar;
    char *path;                 /* QOM path */
    char *bios;
    int cpus;
    uint64_t rmp_base;
    uint64_t rmp_end;
} Psp;

/*
 * 16-bit code at the start of the last 64K, where a startup IPI with vector
 * 0xf0 leads too, and the reset vector that jumps there.  Each processor in
 * turn takes its row of the table, adds to RMP_BASE, sets bits of SYSCFG,
 * counts itself, starts the others, and halts.
 */
static const uint8_t bios_code[] = {
    0x31, 0xc0,                         /* xor %ax, %ax */
    0x8e, 0xd8,                         /* mov %ax, %ds */
    0xbb, 0x08, 0x00,                   /* mov $8, %bx */
    0xf0, 0x0f, 0xc1, 0x1e, 0x04, 0x05, /* lock xadd %bx, 0x504 */
    0x66, 0xb9, 0x32, 0x01, 0x01, 0xc0, /* mov $0xc0010132, %ecx */
    0x0f, 0x32,                         /* rdmsr */
    0x2e, 0x66, 0x03, 0x87, 0x00, 0x01, /* add %cs:0x100(%bx), %eax */
    0x0f, 0x30,                         /* wrmsr */
    0x66, 0xb9, 0x10, 0x00, 0x01, 0xc0, /* mov $0xc0010010, %ecx */
    0x0f, 0x32,                         /* rdmsr */
    0x2e, 0x66, 0x0b, 0x87, 0x04, 0x01, /* or %cs:0x104(%bx), %eax */
    0x0f, 0x30,                         /* wrmsr */
    0xf0, 0xfe, 0x06, 0x00, 0x05,       /* lock incb 0x500 */
    0x66, 0xbb, 0x00, 0x03, 0xe0, 0xfe, /* mov $0xfee00300, %ebx */
    0x67, 0x66, 0xc7, 0x03, 0xf0, 0x46, 0x0c, 0x00,
                                        /* movl $0xc46f0, (%ebx) */
    0xfa,                               /* cli */
    0xf4,                               /* hlt */
    0xeb, 0xfc,                         /* jmp to cli */
};
static const uint8_t bios_vector[] = {
    0xea, 0x00, 0x00, 0x00, 0xf0,       /* ljmp $0xf000, $0 */
};

typedef struct BiosRow {
    uint32_t rmp_base;          /* added */
    uint32_t syscfg;            /* set */
} BiosRow;

/* SNP_EN, VMPL_EN and MemEncryptionModEn */
#define SYSCFG_SNP      0x03800000
#define SYSCFG_MFDM     0x00080000
#define MAX_CPUS        2

static char *make_bios(const BiosRow rows[MAX_CPUS])
{
    g_autofree uint8_t *image = g_malloc0(64 * KiB);
    char *name = NULL;
    int fd = g_file_open_tmp("amd-psp-test-XXXXXX", &name, NULL);
    int i;

    g_assert(fd >= 0);
    memcpy(image, bios_code, sizeof(bios_code));
    for (i = 0; i < MAX_CPUS; i++) {
        stl_le_p(image + 0x100 + i * 8, rows[i].rmp_base);
        stl_le_p(image + 0x104 + i * 8, rows[i].syscfg);
    }
    memcpy(image + 0xfff0, bios_vector, sizeof(bios_vector));
    g_assert(write(fd, image, 64 * KiB) == 64 * KiB);
    close(fd);
    return name;
}

static uint64_t qom_get_uint(QTestState *qts, const char *path,
                             const char *prop)
{
    QDict *rsp = qtest_qmp(qts, "{ 'execute': 'qom-get', 'arguments': "
                           "{ 'path': %s, 'property': %s } }", path, prop);
    uint64_t val;

    g_assert(qdict_haskey(rsp, "return"));
    val = qnum_get_uint(qobject_to(QNum, qdict_get(rsp, "return")));
    qobject_unref(rsp);
    return val;
}

static void find_psp(QPCIDevice *dev, int devfn, void *data)
{
    Psp *psp = data;

    psp->dev = dev;
}

static void wait_for_cpus(Psp *psp)
{
    int i;

    for (i = 0; qtest_readb(psp->qts, FLAG) != psp->cpus; i++) {
        g_assert_cmpint(i, <, 1000);
        g_usleep(10 * 1000);
    }
}

static Psp *psp_start_cpus(int cpus, const BiosRow rows[MAX_CPUS],
                           const char *more)
{
    Psp *psp = g_new0(Psp, 1);

    psp->cpus = cpus;
    psp->bios = make_bios(rows);
    psp->qts = qtest_initf("-machine q35,snp-host=on -accel tcg "
                           "-cpu EPYC-Milan,+svm,+npt -m %d -bios %s "
                           "-nodefaults -vga none -smp %d %s",
                           (int)(RAM_SIZE / MiB), psp->bios, cpus, more);
    psp->rmp_base = qom_get_uint(psp->qts, "/machine/snp-rmp", "base");
    psp->rmp_end = qom_get_uint(psp->qts, "/machine/snp-rmp", "end");
    wait_for_cpus(psp);

    psp->bus = qpci_new_pc(psp->qts, NULL);
    qpci_device_foreach(psp->bus, 0x1022, 0x14ca, find_psp, psp);
    g_assert(psp->dev);
    qpci_device_enable(psp->dev);
    psp->bar = qpci_iomap(psp->dev, 2, NULL);
    qtest_writeq(psp->qts, IOMMU_CONTROL, IOMMU_ON);
    return psp;
}

static Psp *psp_start(bool snp_en, const char *more)
{
    const BiosRow rows[MAX_CPUS] = { { 0, snp_en ? SYSCFG_SNP : 0 } };

    return psp_start_cpus(1, rows, more);
}

static void psp_stop(Psp *psp)
{
    g_free(psp->dev);
    qpci_free_pc(psp->bus);
    qtest_quit(psp->qts);
    unlink(psp->bios);
    g_free(psp->bios);
    g_free(psp->path);
    g_free(psp);
}

static void psp_begin(Psp *psp, unsigned cmd, uint64_t buf)
{
    qpci_io_writel(psp->dev, psp->bar, REG_CMDBUF_LO, buf);
    qpci_io_writel(psp->dev, psp->bar, REG_CMDBUF_HI, buf >> 32);
    qpci_io_writel(psp->dev, psp->bar, REG_CMDRESP, cmd << 16);
}

/* Returns how often the command had not ended yet. */
static unsigned psp_end(Psp *psp, unsigned *status)
{
    gint64 start = g_get_monotonic_time();
    unsigned busy = 0;
    uint32_t resp;

    while (true) {
        resp = qpci_io_readl(psp->dev, psp->bar, REG_CMDRESP);
        if (resp >> 31) {
            break;
        }
        busy++;
        g_assert_cmpint(g_get_monotonic_time() - start, <,
                        60 * G_USEC_PER_SEC);
    }
    g_assert_cmphex(resp & ~0xffffU, ==, 1U << 31);
    *status = resp & 0xffff;
    return busy;
}

/* A command, the buffer of which is in memory already */
static unsigned psp_issue(Psp *psp, unsigned cmd, uint64_t buf)
{
    unsigned status;

    psp_begin(psp, cmd, buf);
    psp_end(psp, &status);
    return status;
}

static unsigned psp_cmd(Psp *psp, unsigned cmd, const void *buf, size_t len)
{
    if (len) {
        qtest_memwrite(psp->qts, CMD, buf, len);
    }
    return psp_issue(psp, cmd, CMD);
}

#define psp_cmd64(psp, cmd, ...) ({                                     \
        uint64_t b_[] = { __VA_ARGS__ };                                \
        int i_;                                                         \
        for (i_ = 0; i_ < ARRAY_SIZE(b_); i_++) {                       \
            b_[i_] = cpu_to_le64(b_[i_]);                               \
        }                                                               \
        psp_cmd(psp, cmd, b_, sizeof(b_));                              \
    })

#define assert_cmd(status, call) g_assert_cmphex(call, ==, status)

static uint64_t rmp_addr(Psp *psp, uint64_t pa)
{
    return psp->rmp_base + 0x4000 + pa / 4096 * 16;
}

static void rmp_set(Psp *psp, uint64_t pa, uint64_t entry)
{
    qtest_writeq(psp->qts, rmp_addr(psp, pa), entry);
    qtest_writeq(psp->qts, rmp_addr(psp, pa) + 8, 0);
}

static uint64_t rmp_get(Psp *psp, uint64_t pa)
{
    return qtest_readq(psp->qts, rmp_addr(psp, pa));
}

static void fill(Psp *psp, uint64_t pa, uint8_t seed)
{
    uint8_t page[4096];
    int i;

    for (i = 0; i < sizeof(page); i++) {
        page[i] = seed + i * 7 + (i >> 8);
    }
    qtest_memwrite(psp->qts, pa, page, sizeof(page));
}

static void sha384(const void *data, size_t len, uint8_t digest[48])
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA384);
    gsize size = 48;

    g_checksum_update(sum, data, len);
    g_checksum_get_digest(sum, digest, &size);
}

static void snp_init(Psp *psp)
{
    assert_cmd(OK, psp_cmd(psp, SNP_INIT, NULL, 0));
    assert_cmd(OK, psp_cmd(psp, SNP_DF_FLUSH, NULL, 0));
}

static unsigned gctx_create(Psp *psp, uint64_t gctx)
{
    return psp_cmd64(psp, SNP_GCTX_CREATE, gctx);
}

static unsigned launch_start(Psp *psp, uint64_t gctx, uint64_t policy)
{
    return psp_cmd64(psp, SNP_LAUNCH_START, gctx, policy, 0, 0, 0, 0);
}

static unsigned launch_update(Psp *psp, uint64_t gctx, unsigned type,
                              uint64_t pa)
{
    return psp_cmd64(psp, SNP_LAUNCH_UPDATE, gctx, type << 1, pa, 0);
}

static unsigned launch_finish(Psp *psp, uint64_t gctx)
{
    return psp_cmd64(psp, SNP_LAUNCH_FINISH, gctx, 0, 0, 0,
                     0x1111, 0x2222, 0x3333, 0x4444);
}

static void make_guest(Psp *psp, uint64_t gctx, unsigned asid, uint64_t policy)
{
    rmp_set(psp, gctx, PAGE_FIRMWARE);
    assert_cmd(OK, gctx_create(psp, gctx));
    assert_cmd(OK, launch_start(psp, gctx, policy));
    assert_cmd(OK, psp_cmd64(psp, SNP_ACTIVATE, gctx, asid));
}

static void test_registers(void)
{
    Psp *psp = psp_start(true, "");
    QPCIDevice *dev = psp->dev;
    uint32_t raw;

    /* There is SEV, and no TEE. */
    g_assert_cmphex(qpci_io_readl(dev, psp->bar, REG_FEATURES) & 3, ==, 1);
    g_assert_cmphex(qpci_io_readl(dev, psp->bar, 0x20), ==, 0);

    /* No interrupt unless it is asked for */
    assert_cmd(OK, psp_cmd(psp, SHUTDOWN, NULL, 0));
    g_assert_cmphex(qpci_io_readl(dev, psp->bar, REG_INT_STATUS), ==, 0);

    qpci_io_writel(dev, psp->bar, REG_INT_ENABLE, ~0u);
    qpci_io_writel(dev, psp->bar, REG_CMDRESP, SHUTDOWN << 16 | 1);
    g_assert_cmphex(qpci_io_readl(dev, psp->bar, REG_INT_STATUS), ==, 2);
    g_assert(qpci_config_readw(dev, PCI_STATUS) & PCI_STATUS_INTERRUPT);
    qpci_io_writel(dev, psp->bar, REG_INT_STATUS, 2);
    g_assert_cmphex(qpci_io_readl(dev, psp->bar, REG_INT_STATUS), ==, 0);
    g_assert(!(qpci_config_readw(dev, PCI_STATUS) & PCI_STATUS_INTERRUPT));

    /* Writing a response is no command. */
    qpci_io_writel(dev, psp->bar, REG_CMDRESP, 1U << 31 | 0x123);
    raw = qpci_io_readl(dev, psp->bar, REG_CMDRESP);
    g_assert_cmphex(raw, ==, 1U << 31 | 0x123);

    /* All the commands that do not exist */
    assert_cmd(BAD_COMMAND, psp_cmd(psp, 0x00, NULL, 0));
    assert_cmd(BAD_COMMAND, psp_cmd(psp, 0x1f, NULL, 0));
    assert_cmd(BAD_COMMAND, psp_cmd(psp, 0x80, NULL, 0));
    assert_cmd(BAD_COMMAND, psp_cmd(psp, 0xcc, NULL, 0));
    assert_cmd(BAD_COMMAND, psp_cmd(psp, 0x100, NULL, 0));
    assert_cmd(BAD_COMMAND, psp_cmd(psp, 0x7ff, NULL, 0));
    psp_stop(psp);
}

static void test_msix(void)
{
    Psp *psp = psp_start(true, "");
    QPCIDevice *dev = psp->dev;
    QPCIBar table;
    uint64_t entry;

    qpci_msix_enable(dev);
    table = dev->msix_table_bar;
    entry = dev->msix_table_off;
    qpci_io_writel(dev, table, entry + PCI_MSIX_ENTRY_LOWER_ADDR, OUT);
    qpci_io_writel(dev, table, entry + PCI_MSIX_ENTRY_UPPER_ADDR, 0);
    qpci_io_writel(dev, table, entry + PCI_MSIX_ENTRY_DATA, 0x12345678);
    qpci_io_writel(dev, table, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
    qtest_writel(psp->qts, OUT, 0);

    /* Not enabled: no message until it is */
    qpci_io_writel(dev, psp->bar, REG_CMDRESP, SHUTDOWN << 16 | 1);
    g_assert_cmphex(qtest_readl(psp->qts, OUT), ==, 0);
    qpci_io_writel(dev, psp->bar, REG_INT_ENABLE, ~0u);
    g_assert_cmphex(qtest_readl(psp->qts, OUT), ==, 0x12345678);

    qtest_writel(psp->qts, OUT, 0);
    qpci_io_writel(dev, psp->bar, REG_INT_STATUS, 2);
    qpci_io_writel(dev, psp->bar, REG_CMDRESP, SHUTDOWN << 16);
    g_assert_cmphex(qtest_readl(psp->qts, OUT), ==, 0);
    qpci_io_writel(dev, psp->bar, REG_CMDRESP, SHUTDOWN << 16 | 1);
    g_assert_cmphex(qtest_readl(psp->qts, OUT), ==, 0x12345678);
    qpci_msix_disable(dev);
    psp_stop(psp);
}

static unsigned sev_state(Psp *psp)
{
    uint8_t s[12];

    assert_cmd(OK, psp_cmd(psp, PLATFORM_STATUS, NULL, 0));
    qtest_memread(psp->qts, CMD, s, sizeof(s));
    g_assert_cmpint(s[0], ==, 1);
    g_assert_cmpint(s[1], >=, 55);
    return s[2];
}

static unsigned sev_init(Psp *psp, uint32_t flags, uint64_t tmr, uint32_t len)
{
    return psp_cmd64(psp, INIT, flags, tmr, len);
}

static void test_sev_platform(void)
{
    Psp *psp = psp_start(false, "");

    g_assert_cmpint(sev_state(psp), ==, 0);
    assert_cmd(BAD_PLATFORM_STATE, psp_cmd(psp, DF_FLUSH, NULL, 0));
    assert_cmd(OK, psp_cmd(psp, PLATFORM_RESET, NULL, 0));
    assert_cmd(OK, psp_cmd(psp, SHUTDOWN, NULL, 0));
    assert_cmd(BAD_CONFIG, sev_init(psp, 2, 0, 0));
    assert_cmd(BAD_ADDRESS, sev_init(psp, 1, TMR + 4096, 1 * MiB));
    assert_cmd(BAD_LENGTH, sev_init(psp, 1, TMR, 2 * MiB));
    assert_cmd(BAD_ADDRESS, sev_init(psp, 1, NOWHERE, 1 * MiB));
    assert_cmd(BAD_ADDRESS, sev_init(psp, 1, -1 * MiB, 1 * MiB));
    g_assert_cmpint(sev_state(psp), ==, 0);
    assert_cmd(OK, sev_init(psp, 1, TMR, 1 * MiB));
    g_assert_cmpint(sev_state(psp), ==, 1);
    assert_cmd(BAD_PLATFORM_STATE, sev_init(psp, 1, TMR, 1 * MiB));
    assert_cmd(BAD_PLATFORM_STATE, psp_cmd(psp, PLATFORM_RESET, NULL, 0));
    assert_cmd(OK, psp_cmd(psp, DF_FLUSH, NULL, 0));

    /* Nothing goes into or comes out of the trusted region. */
    assert_cmd(BAD_ADDRESS, psp_issue(psp, PLATFORM_STATUS, TMR + 4096));
    assert_cmd(BAD_ADDRESS, psp_cmd64(psp, GET_ID, TMR + 0x100000 - 8, 64));

    assert_cmd(BAD_LENGTH, psp_cmd64(psp, GET_ID, OUT, 63));
    g_assert_cmpint(qtest_readl(psp->qts, CMD + 8), ==, 64);
    assert_cmd(OK, psp_cmd64(psp, GET_ID, OUT, 128));
    g_assert_cmpint(qtest_readl(psp->qts, CMD + 8), ==, 64);

    /* SNP needs a processor that has it on, and to be first. */
    assert_cmd(BAD_PLATFORM_STATE, psp_cmd(psp, SNP_INIT, NULL, 0));
    assert_cmd(OK, psp_cmd(psp, SHUTDOWN, NULL, 0));
    assert_cmd(BAD_CONFIG, psp_cmd(psp, SNP_INIT, NULL, 0));
    g_assert_cmpint(sev_state(psp), ==, 0);
    psp_stop(psp);
}

static unsigned sev_launch_start(Psp *psp, uint32_t handle, uint32_t policy,
                                 uint32_t *new)
{
    unsigned status = psp_cmd64(psp, LAUNCH_START,
                                (uint64_t)policy << 32 | handle, 0, 0, 0, 0);

    *new = qtest_readl(psp->qts, CMD);
    return status;
}

static void test_sev_guest(void)
{
    Psp *psp = psp_start(false, "");
    static uint8_t big[512 * KiB + 80];
    uint8_t data[12], m[48], mac[32], head[4], policy_le[4], ld[32];
    uint32_t policy = 4, h, h2;
    uint8_t zero[16] = { 0 };
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    GHmac *hmac;
    gsize size;

    assert_cmd(BAD_PLATFORM_STATE, sev_launch_start(psp, 0, 0, &h));
    assert_cmd(OK, sev_init(psp, 0, 0, 0));
    /* An ASID is dirty until DF_FLUSH; and SEV-ES was not asked for. */
    assert_cmd(UNSUPPORTED, sev_launch_start(psp, 0, policy, &h));
    assert_cmd(BAD_GUEST, sev_launch_start(psp, 17, 0, &h));
    assert_cmd(POLICY_FAILURE, sev_launch_start(psp, 0, 2U << 16, &h));
    assert_cmd(OK, sev_launch_start(psp, 0, 0, &h));
    g_assert_cmpint(sev_state(psp), ==, 2);
    assert_cmd(DFFLUSH_REQUIRED, psp_cmd64(psp, ACTIVATE, 1ULL << 32 | h));
    assert_cmd(OK, psp_cmd(psp, SHUTDOWN, NULL, 0));

    assert_cmd(OK, sev_init(psp, 1, TMR, 1 * MiB));
    assert_cmd(OK, psp_cmd(psp, DF_FLUSH, NULL, 0));
    assert_cmd(BAD_PLATFORM_STATE, psp_cmd64(psp, ACTIVATE, 1ULL << 32 | 1));
    assert_cmd(OK, sev_launch_start(psp, 0, policy, &h));
    assert_cmd(OK, sev_launch_start(psp, h, policy, &h2));
    g_assert_cmpint(h, !=, h2);
    assert_cmd(POLICY_FAILURE, sev_launch_start(psp, h, 0, &h2));

    fill(psp, DATA, 3);
    fill(psp, DATA + 4096, 4);
    fill(psp, DATA + sizeof(big) - 4096, 5);
    assert_cmd(INACTIVE, psp_cmd64(psp, LAUNCH_UPDATE_DATA, h, DATA, 4096));
    assert_cmd(BAD_ASID, psp_cmd64(psp, ACTIVATE, 0ULL << 32 | h));
    assert_cmd(BAD_ASID, psp_cmd64(psp, ACTIVATE, 0xfffULL << 32 | h));
    assert_cmd(BAD_GUEST, psp_cmd64(psp, ACTIVATE, 1ULL << 32 | 99));
    assert_cmd(OK, psp_cmd64(psp, ACTIVATE, 1ULL << 32 | h));
    assert_cmd(ACTIVE, psp_cmd64(psp, ACTIVATE, 2ULL << 32 | h));
    assert_cmd(ASID_OWNED, psp_cmd64(psp, ACTIVATE, 1ULL << 32 | 2));
    assert_cmd(ACTIVE, psp_cmd64(psp, DECOMMISSION, h));

    assert_cmd(BAD_LENGTH, psp_cmd64(psp, LAUNCH_UPDATE_DATA, h, DATA, 0));
    assert_cmd(BAD_LENGTH, psp_cmd64(psp, LAUNCH_UPDATE_DATA, h, DATA, 15));
    assert_cmd(BAD_ADDRESS, psp_cmd64(psp, LAUNCH_UPDATE_DATA, h, DATA + 8,
                                      16));
    assert_cmd(BAD_ADDRESS, psp_cmd64(psp, LAUNCH_UPDATE_DATA, h,
                                      RAM_SIZE - 4096, 0xfffffff0));
    assert_cmd(BAD_LENGTH, psp_cmd64(psp, LAUNCH_UPDATE_VMSA, h, DATA, 32));
    assert_cmd(OK, psp_cmd64(psp, LAUNCH_UPDATE_DATA, h, DATA, sizeof(big)));
    assert_cmd(OK, psp_cmd64(psp, LAUNCH_UPDATE_VMSA, h, DATA + 4096, 4096));

    /* The digest over both, by somebody else's code */
    qtest_memread(psp->qts, DATA, big, sizeof(big));
    g_checksum_update(sum, big, sizeof(big));
    g_checksum_update(sum, big + 4096, 4096);
    size = sizeof(ld);
    g_checksum_get_digest(sum, ld, &size);

    assert_cmd(BAD_GUEST_STATE, psp_cmd64(psp, LAUNCH_FINISH, h));
    assert_cmd(BAD_LENGTH, psp_cmd64(psp, LAUNCH_MEASURE, h, OUT, 47));
    g_assert_cmpint(qtest_readl(psp->qts, CMD + 16), ==, 48);
    assert_cmd(OK, psp_cmd64(psp, LAUNCH_MEASURE, h, OUT, 48));
    qtest_memread(psp->qts, OUT, m, sizeof(m));
    assert_cmd(OK, psp_cmd(psp, PLATFORM_STATUS, NULL, 0));
    qtest_memread(psp->qts, CMD, data, 12);
    head[0] = 4;
    head[1] = data[0];
    head[2] = data[1];
    head[3] = data[7];
    stl_le_p(policy_le, policy);
    hmac = g_hmac_new(G_CHECKSUM_SHA256, zero, sizeof(zero));
    g_hmac_update(hmac, head, sizeof(head));
    g_hmac_update(hmac, policy_le, sizeof(policy_le));
    g_hmac_update(hmac, ld, sizeof(ld));
    g_hmac_update(hmac, m + 32, 16);
    size = sizeof(mac);
    g_hmac_get_digest(hmac, mac, &size);
    g_hmac_unref(hmac);
    g_assert_cmpmem(m, 32, mac, 32);

    assert_cmd(BAD_GUEST_STATE, psp_cmd64(psp, LAUNCH_MEASURE, h, OUT, 48));
    assert_cmd(BAD_GUEST_STATE, psp_cmd64(psp, LAUNCH_UPDATE_DATA, h, DATA,
                                          4096));
    assert_cmd(OK, psp_cmd64(psp, LAUNCH_FINISH, h));
    assert_cmd(BAD_GUEST_STATE, psp_cmd64(psp, LAUNCH_FINISH, h));
    assert_cmd(OK, psp_cmd64(psp, GUEST_STATUS, h, 0));
    g_assert_cmphex(qtest_readl(psp->qts, CMD + 4), ==, policy);
    g_assert_cmphex(qtest_readl(psp->qts, CMD + 8), ==, 1);
    g_assert_cmphex(qtest_readb(psp->qts, CMD + 12), ==, 3);

    assert_cmd(OK, psp_cmd64(psp, DBG_DECRYPT, h, DATA, OUT, 4096));
    assert_cmd(BAD_LENGTH, psp_cmd64(psp, DBG_DECRYPT, h, DATA, OUT, 4095));
    assert_cmd(OK, psp_cmd64(psp, DEACTIVATE, h));
    assert_cmd(INACTIVE, psp_cmd64(psp, DEACTIVATE, h));
    assert_cmd(INACTIVE, psp_cmd64(psp, DBG_DECRYPT, h, DATA, OUT, 4096));
    assert_cmd(DFFLUSH_REQUIRED, psp_cmd64(psp, ACTIVATE, 1ULL << 32 | h));
    assert_cmd(OK, psp_cmd(psp, DF_FLUSH, NULL, 0));
    assert_cmd(OK, psp_cmd64(psp, ACTIVATE, 1ULL << 32 | h));
    assert_cmd(OK, psp_cmd64(psp, DEACTIVATE, h));
    assert_cmd(OK, psp_cmd64(psp, DECOMMISSION, h));
    assert_cmd(BAD_GUEST, psp_cmd64(psp, DECOMMISSION, h));
    assert_cmd(OK, psp_cmd64(psp, DECOMMISSION, 2));
    g_assert_cmpint(sev_state(psp), ==, 1);
    psp_stop(psp);
}

/* A long command keeps nobody from what needs the iothread lock meanwhile. */
static void long_cmd(Psp *psp, unsigned cmd, uint64_t a, uint64_t b, uint64_t c,
                     uint64_t d)
{
    uint64_t buf[] = {
        cpu_to_le64(a), cpu_to_le64(b), cpu_to_le64(c), cpu_to_le64(d)
    };
    unsigned busy, status;

    qtest_memwrite(psp->qts, CMD, buf, sizeof(buf));
    psp_begin(psp, cmd, CMD);
    /* Not heard */
    qpci_io_writel(psp->dev, psp->bar, REG_CMDRESP, SHUTDOWN << 16);
    qpci_io_writel(psp->dev, psp->bar, REG_CMDRESP, 1U << 31 | BAD_LENGTH);
    busy = psp_end(psp, &status);
    g_assert_cmphex(status, ==, OK);
    g_assert_cmpint(busy, >, 2);
}

static void test_sev_long(void)
{
    const uint64_t src = 0x2000000, dst = 0x8000000, length = 64 * MiB;
    uint8_t from[4096], to[4096];
    Psp *psp = psp_start(false, "");
    uint32_t h;

    assert_cmd(OK, sev_init(psp, 0, 0, 0));
    assert_cmd(OK, psp_cmd(psp, DF_FLUSH, NULL, 0));
    assert_cmd(OK, sev_launch_start(psp, 0, 0, &h));
    assert_cmd(OK, psp_cmd64(psp, ACTIVATE, 1ULL << 32 | h));
    fill(psp, src + length - 4096, 7);
    long_cmd(psp, LAUNCH_UPDATE_DATA, h, src, length, 0);
    long_cmd(psp, COPY, length << 32 | h, src, dst, 0);
    qtest_memread(psp->qts, src + length - 4096, from, sizeof(from));
    qtest_memread(psp->qts, dst + length - 4096, to, sizeof(to));
    g_assert_cmpmem(to, sizeof(to), from, sizeof(from));
    qtest_memset(psp->qts, dst + length - 4096, 0, 4096);
    long_cmd(psp, DBG_DECRYPT, h, src, dst, length);
    qtest_memread(psp->qts, dst + length - 4096, to, sizeof(to));
    g_assert_cmpmem(to, sizeof(to), from, sizeof(from));
    /* None of it if not all of it */
    qtest_memset(psp->qts, dst, 0, 4096);
    assert_cmd(BAD_ADDRESS, psp_cmd64(psp, COPY, 0xffffff0ULL << 32 | h,
                                      src, dst));
    g_assert_cmphex(qtest_readq(psp->qts, dst), ==, 0);
    psp_stop(psp);
}

static void test_snp_platform(void)
{
    Psp *psp = psp_start(true, "");
    uint8_t init_ex[64] = { 0 }, s[32];
    uint64_t pa;

    /* Without SNP initialized, but with SNP_EN, there is no SEV either. */
    assert_cmd(BAD_PLATFORM_STATE, sev_init(psp, 0, 0, 0));
    assert_cmd(BAD_PLATFORM_STATE, gctx_create(psp, GCTX));
    assert_cmd(BAD_PLATFORM_STATE, psp_cmd64(psp, SNP_PAGE_RECLAIM, DATA));
    assert_cmd(OK, psp_cmd64(psp, SNP_PLATFORM_STATUS, OUT));
    qtest_memread(psp->qts, OUT, s, sizeof(s));
    g_assert_cmpint(s[2], ==, 0);
    g_assert_cmpint(s[3], ==, 0);

    assert_cmd(RMP_INIT_REQUIRED, psp_cmd(psp, SNP_INIT_EX, init_ex, 64));
    init_ex[63] = 1;
    assert_cmd(BAD_PARAM, psp_cmd(psp, SNP_INIT_EX, init_ex, 64));
    init_ex[63] = 0;
    init_ex[0] = 8;
    assert_cmd(BAD_PARAM, psp_cmd(psp, SNP_INIT_EX, init_ex, 64));

    /* A list of pages that no guest shall ever get */
    init_ex[0] = 3;
    stq_le_p(init_ex + 8, LIST);
    qtest_writel(psp->qts, LIST, 2);
    qtest_writel(psp->qts, LIST + 4, 0);
    qtest_writeq(psp->qts, LIST + 8, DATA | 1);
    assert_cmd(BAD_PARAM, psp_cmd(psp, SNP_INIT_EX, init_ex, 64));
    qtest_writeq(psp->qts, LIST + 8, DATA);
    qtest_writeq(psp->qts, LIST + 16, 2);
    qtest_writeq(psp->qts, LIST + 24, RAM_SIZE - 4096);
    qtest_writeq(psp->qts, LIST + 32, 0xffffffff);
    qtest_writel(psp->qts, LIST, 256);
    assert_cmd(BAD_PARAM, psp_cmd(psp, SNP_INIT_EX, init_ex, 64));
    qtest_writel(psp->qts, LIST, 0xffffffff);
    assert_cmd(BAD_PARAM, psp_cmd(psp, SNP_INIT_EX, init_ex, 64));
    qtest_writel(psp->qts, LIST, 2);
    rmp_set(psp, OUT, PAGE_FIRMWARE);
    assert_cmd(OK, psp_cmd(psp, SNP_INIT_EX, init_ex, 64));
    g_assert_cmphex(rmp_get(psp, OUT), ==, PAGE_HV);
    g_assert_cmphex(rmp_get(psp, DATA - 4096), ==, PAGE_HV);
    g_assert_cmphex(rmp_get(psp, DATA), ==, PAGE_HV_FIXED);
    g_assert_cmphex(rmp_get(psp, DATA + 4096), ==, PAGE_HV_FIXED);
    g_assert_cmphex(rmp_get(psp, DATA + 8192), ==, PAGE_HV);
    g_assert_cmphex(rmp_get(psp, RAM_SIZE), ==, PAGE_HV_FIXED);
    for (pa = psp->rmp_base; pa < psp->rmp_end; pa += 4096) {
        g_assert_cmphex(rmp_get(psp, pa), ==, PAGE_FIRMWARE);
    }

    /* Now output goes to the firmware's pages only. */
    assert_cmd(BAD_PLATFORM_STATE, psp_cmd(psp, SNP_INIT, NULL, 0));
    assert_cmd(BAD_PAGE_STATE, psp_cmd64(psp, SNP_PLATFORM_STATUS, OUT));
    rmp_set(psp, OUT, PAGE_FIRMWARE);
    assert_cmd(BAD_PARAM, psp_cmd64(psp, SNP_PLATFORM_STATUS, OUT + 4088));
    assert_cmd(OK, psp_cmd64(psp, SNP_PLATFORM_STATUS, OUT | C_BIT));
    qtest_memread(psp->qts, OUT, s, sizeof(s));
    g_assert_cmpint(s[2], ==, 1);
    g_assert_cmpint(s[3], ==, 1);
    g_assert_cmpint(ldl_le_p(s + 12), ==, 0);
    /* The RMP says it is the firmware's, but the hypervisor may not say it. */
    assert_cmd(BAD_ADDRESS, psp_cmd64(psp, SNP_PLATFORM_STATUS,
                                      psp->rmp_base + 0x8000));
    assert_cmd(BAD_ADDRESS, psp_cmd64(psp, SNP_PAGE_RECLAIM, psp->rmp_base));

    /* The buffer of a legacy command that writes to it is given back. */
    assert_cmd(BAD_PAGE_STATE, psp_issue(psp, PLATFORM_STATUS, CMD));
    rmp_set(psp, CMD_FW, PAGE_FIRMWARE);
    assert_cmd(OK, psp_issue(psp, PLATFORM_STATUS, CMD_FW));
    g_assert_cmphex(rmp_get(psp, CMD_FW), ==, PAGE_RECLAIM);
    assert_cmd(BAD_PAGE_STATE, psp_issue(psp, PLATFORM_STATUS, CMD_FW));

    /* SEV-ES on a host with SNP: one large page, the firmware's */
    assert_cmd(BAD_LENGTH, sev_init(psp, 1, TMR, 1 * MiB));
    assert_cmd(BAD_PAGE_STATE, sev_init(psp, 1, TMR, 2 * MiB));
    for (pa = TMR; pa < TMR + 2 * MiB; pa += 4096) {
        rmp_set(psp, pa, PAGE_FIRMWARE);
    }
    assert_cmd(OK, sev_init(psp, 1, TMR, 2 * MiB));
    assert_cmd(BAD_ADDRESS, psp_cmd64(psp, SNP_PAGE_RECLAIM, TMR));
    assert_cmd(BAD_PLATFORM_STATE, psp_cmd64(psp, SNP_SHUTDOWN_EX,
                                             1ULL << 32 | 8));
    assert_cmd(OK, psp_cmd(psp, SHUTDOWN, NULL, 0));
    assert_cmd(OK, psp_cmd64(psp, SNP_PAGE_RECLAIM, TMR));
    g_assert_cmphex(rmp_get(psp, TMR), ==, PAGE_RECLAIM);

    assert_cmd(BAD_PARAM, psp_cmd64(psp, SNP_COMMIT, 8));
    assert_cmd(OK, psp_cmd64(psp, SNP_COMMIT, 4));
    assert_cmd(OK, psp_cmd64(psp, SNP_CONFIG, 0, 1, 0, 0, 0, 0, 0, 0));
    assert_cmd(BAD_PARAM, psp_cmd64(psp, SNP_CONFIG, 0, 4, 0, 0, 0, 0, 0, 0));
    assert_cmd(BAD_PARAM, psp_cmd64(psp, SNP_CONFIG, 0xff, 0, 0, 0, 0, 0, 0,
                                    0));
    assert_cmd(OK, psp_cmd64(psp, SNP_FEATURE_INFO, 16, OUT));
    assert_cmd(BAD_ADDRESS, psp_cmd64(psp, SNP_FEATURE_INFO, 16, OUT + 2));
    assert_cmd(BAD_PARAM, psp_cmd64(psp, SNP_FEATURE_INFO, 9ULL << 32 | 16,
                                    OUT));

    assert_cmd(DFFLUSH_REQUIRED, psp_cmd64(psp, SNP_SHUTDOWN_EX,
                                           1ULL << 32 | 8));
    assert_cmd(OK, psp_cmd(psp, SNP_DF_FLUSH, NULL, 0));
    assert_cmd(BAD_PARAM, psp_cmd64(psp, SNP_SHUTDOWN_EX, 1ULL << 32 | 4));
    assert_cmd(BAD_PARAM, psp_cmd64(psp, SNP_SHUTDOWN_EX, 2ULL << 32 | 8));
    assert_cmd(OK, psp_cmd64(psp, SNP_SHUTDOWN_EX, 8));
    /* The RMP is still there, so it need not be initialized. */
    init_ex[0] = 0;
    assert_cmd(OK, psp_cmd(psp, SNP_INIT_EX, init_ex, 64));
    assert_cmd(OK, psp_cmd(psp, SNP_DF_FLUSH, NULL, 0));
    assert_cmd(OK, psp_cmd64(psp, SNP_SHUTDOWN_EX, 1ULL << 32 | 8));
    assert_cmd(RMP_INIT_REQUIRED, psp_cmd(psp, SNP_INIT_EX, init_ex, 64));
    psp_stop(psp);
}

/* SNP has to be on, and the same, on all processors. */
static void test_cpus(void)
{
    static const struct {
        BiosRow rows[MAX_CPUS];
        unsigned status;
    } cases[] = {
        { { { 0, SYSCFG_SNP }, { 0, SYSCFG_SNP } }, OK },
        { { { 0, SYSCFG_SNP }, { 0, 0 } }, BAD_CONFIG },
        { { { 0, 0 }, { 0, SYSCFG_SNP } }, BAD_CONFIG },
        { { { 0, SYSCFG_SNP }, { 0, SYSCFG_SNP | SYSCFG_MFDM } }, BAD_CONFIG },
        { { { 0, SYSCFG_SNP }, { 1 * MiB, SYSCFG_SNP } }, BAD_CONFIG },
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        Psp *psp = psp_start_cpus(MAX_CPUS, cases[i].rows, "");

        assert_cmd(cases[i].status, psp_cmd(psp, SNP_INIT, NULL, 0));
        psp_stop(psp);
    }
}

/* RAM below and above the hole for devices under 4G, and what is none */
static void test_large_memory(void)
{
    static const struct {
        const char *size;
        uint64_t end;
    } rows[] = {
        { "-m 3G", 5 * GiB },
        { "-m 4G", 6 * GiB },
        { "-m 8G", 10 * GiB },
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Psp *psp = psp_start(true, rows[i].size);

        snp_init(psp);
        g_assert_cmphex(rmp_get(psp, DATA), ==, PAGE_HV);
        g_assert_cmphex(rmp_get(psp, 2 * GiB - 4096), ==, PAGE_FIRMWARE);
        g_assert_cmphex(rmp_get(psp, 2 * GiB), ==, PAGE_HV_FIXED);
        g_assert_cmphex(rmp_get(psp, 0xfee00000), ==, PAGE_HV_FIXED);
        g_assert_cmphex(rmp_get(psp, 4 * GiB - 4096), ==, PAGE_HV_FIXED);
        g_assert_cmphex(rmp_get(psp, 4 * GiB), ==, PAGE_HV);
        g_assert_cmphex(rmp_get(psp, rows[i].end - 4096), ==, PAGE_HV);
        psp_stop(psp);
    }
}

static void test_reclaim(void)
{
    Psp *psp = psp_start(true, "");
    uint64_t pa;
    static const struct {
        uint64_t before, after;
        unsigned status;
    } rows[] = {
        { PAGE_HV, PAGE_HV, OK },
        { PAGE_HV_FIXED, PAGE_HV_FIXED, BAD_PAGE_STATE },
        { PAGE_FIRMWARE, PAGE_RECLAIM, OK },
        { PAGE_RECLAIM, PAGE_RECLAIM, OK },
        { PAGE_CONTEXT, PAGE_CONTEXT, BAD_PAGE_STATE },
        /* Metadata */
        { PAGE_FIRMWARE | 0x5000, PAGE_RECLAIM | 0x5000, OK },
        { PAGE_PRE_GUEST(5, 0x7000), PAGE_GUEST_INVALID(5, 0x7000), OK },
        { PAGE_PRE_GUEST(5, 0x7000) | RMP_VALIDATED,
          PAGE_GUEST_VALID(5, 0x7000), OK },
        { PAGE_GUEST_VALID(5, 0), PAGE_GUEST_VALID(5, 0), OK },
        { PAGE_FIRMWARE | RMP_VALIDATED, PAGE_FIRMWARE | RMP_VALIDATED,
          BAD_PAGE_STATE },
    };
    int i;

    snp_init(psp);
    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        rmp_set(psp, DATA, rows[i].before);
        assert_cmd(rows[i].status, psp_cmd64(psp, SNP_PAGE_RECLAIM, DATA));
        g_assert_cmphex(rmp_get(psp, DATA), ==, rows[i].after);
    }
    rmp_set(psp, DATA, PAGE_FIRMWARE);
    assert_cmd(BAD_PAGE_SIZE, psp_cmd64(psp, SNP_PAGE_RECLAIM, DATA | 1));
    assert_cmd(BAD_PARAM, psp_cmd64(psp, SNP_PAGE_RECLAIM, DATA | 2));
    assert_cmd(BAD_ADDRESS, psp_cmd64(psp, SNP_PAGE_RECLAIM, NOWHERE));
    assert_cmd(BAD_ADDRESS, psp_cmd64(psp, SNP_PAGE_RECLAIM, -4096ULL));
    assert_cmd(BAD_ADDRESS, psp_cmd64(psp, SNP_PAGE_RECLAIM, 0xfed00000));

    /* A large page is one unit. */
    for (pa = LARGE; pa < LARGE + 2 * MiB; pa += 4096) {
        rmp_set(psp, pa, PAGE_PRE_GUEST(5, 0x200000 + pa - LARGE));
    }
    assert_cmd(BAD_PARAM, psp_cmd64(psp, SNP_PAGE_UNSMASH, LARGE + 4096));
    rmp_set(psp, LARGE + 4096, PAGE_PRE_GUEST(6, 0x201000));
    assert_cmd(BAD_PAGE_STATE, psp_cmd64(psp, SNP_PAGE_UNSMASH, LARGE));
    rmp_set(psp, LARGE + 4096, PAGE_PRE_GUEST(5, 0x202000));
    assert_cmd(BAD_PAGE_STATE, psp_cmd64(psp, SNP_PAGE_UNSMASH, LARGE));
    rmp_set(psp, LARGE + 4096, PAGE_GUEST_INVALID(5, 0x201000));
    assert_cmd(BAD_PAGE_STATE, psp_cmd64(psp, SNP_PAGE_UNSMASH, LARGE));
    rmp_set(psp, LARGE + 4096, PAGE_PRE_GUEST(5, 0x201000));
    assert_cmd(OK, psp_cmd64(psp, SNP_PAGE_UNSMASH, LARGE));
    g_assert_cmphex(rmp_get(psp, LARGE), ==,
                    PAGE_PRE_GUEST(5, 0x200000) | RMP_2M);
    assert_cmd(BAD_PAGE_SIZE, psp_cmd64(psp, SNP_PAGE_RECLAIM, LARGE));
    assert_cmd(OK, psp_cmd64(psp, SNP_PAGE_RECLAIM, LARGE | 1));
    g_assert_cmphex(rmp_get(psp, LARGE), ==,
                    PAGE_GUEST_INVALID(5, 0x200000) | RMP_2M);
    psp_stop(psp);
}

static void check_pages(Psp *psp, uint64_t pa, unsigned count, uint64_t entry)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        g_assert_cmphex(rmp_get(psp, pa + i * 4096), ==, entry);
    }
    /* And neither the page before nor the one after. */
    g_assert_cmphex(rmp_get(psp, pa - 4096), ==, PAGE_HV);
    g_assert_cmphex(rmp_get(psp, pa + count * 4096), ==, PAGE_HV);
}

static unsigned init_with_log(Psp *psp, uint64_t base, unsigned length)
{
    qtest_writeq(psp->qts, IOMMU_EVENT_BASE, (uint64_t)length << 56 | base);
    return psp_cmd(psp, SNP_INIT, NULL, 0);
}

static void test_iommu(void)
{
    Psp *psp = psp_start(true, "");
    uint8_t init_ex[64] = { 0 };
    uint64_t pages[] = { EVENT_LOG, EVENT_LOG + 4096, COMPLETION };
    int i;

    qtest_writeq(psp->qts, IOMMU_CONTROL, 0);
    assert_cmd(HW_PLATFORM, psp_cmd(psp, SNP_INIT, NULL, 0));

    /* Logs that are not of RAM which the RMP covers */
    qtest_writeq(psp->qts, IOMMU_CONTROL, IOMMU_ON | IOMMU_EVENT_LOG);
    assert_cmd(BAD_CONFIG, init_with_log(psp, NOWHERE, 8));
    assert_cmd(BAD_CONFIG, init_with_log(psp, RAM_SIZE - 4096, 15));
    assert_cmd(BAD_CONFIG, init_with_log(psp, 0xffffffffff000, 9));
    assert_cmd(BAD_CONFIG, init_with_log(psp, psp->rmp_base - 4096, 9));
    qtest_writeq(psp->qts, IOMMU_CONTROL, IOMMU_ON | IOMMU_CMD_BUF);
    qtest_writeq(psp->qts, IOMMU_EXCL_BASE, COMPLETION);
    qtest_writeq(psp->qts, IOMMU_EXCL_LIMIT, COMPLETION - 4096);
    assert_cmd(BAD_CONFIG, psp_cmd(psp, SNP_INIT, NULL, 0));
    qtest_writeq(psp->qts, IOMMU_EXCL_LIMIT, COMPLETION - 8192);
    assert_cmd(BAD_CONFIG, psp_cmd(psp, SNP_INIT, NULL, 0));
    qtest_writeq(psp->qts, IOMMU_EXCL_LIMIT, 0xffffffffff000);
    assert_cmd(BAD_CONFIG, psp_cmd(psp, SNP_INIT, NULL, 0));

    /* Two pages of log, and completion stores; one log is not on. */
    qtest_writeq(psp->qts, IOMMU_EXCL_LIMIT, COMPLETION);
    qtest_writeq(psp->qts, IOMMU_PPR_BASE, 8ULL << 56 | PPR_LOG);
    qtest_writeq(psp->qts, IOMMU_CONTROL,
                 IOMMU_ON | IOMMU_EVENT_LOG | IOMMU_CMD_BUF);
    assert_cmd(OK, init_with_log(psp, EVENT_LOG | C_BIT, 9));
    check_pages(psp, EVENT_LOG, 2, PAGE_FIRMWARE);
    check_pages(psp, COMPLETION, 1, PAGE_FIRMWARE);
    check_pages(psp, PPR_LOG, 0, 0);

    /* They are not like the other pages of the firmware. */
    for (i = 0; i < ARRAY_SIZE(pages); i++) {
        assert_cmd(BAD_PAGE_STATE, psp_cmd64(psp, SNP_PAGE_RECLAIM, pages[i]));
        assert_cmd(BAD_PAGE_STATE, gctx_create(psp, pages[i]));
        assert_cmd(BAD_PAGE_STATE, psp_issue(psp, PLATFORM_STATUS, pages[i]));
        assert_cmd(BAD_PAGE_STATE, psp_cmd64(psp, SNP_PLATFORM_STATUS,
                                             pages[i] | C_BIT));
    }

    /* They stay so as long as the RMP does, wherever the log is now. */
    assert_cmd(OK, psp_cmd(psp, SNP_DF_FLUSH, NULL, 0));
    assert_cmd(OK, psp_cmd(psp, SNP_SHUTDOWN, NULL, 0));
    qtest_writeq(psp->qts, IOMMU_CONTROL,
                 IOMMU_ON | IOMMU_PPR_LOG | IOMMU_CMD_BUF);
    assert_cmd(OK, psp_cmd(psp, SNP_INIT_EX, init_ex, 64));
    check_pages(psp, EVENT_LOG, 2, PAGE_FIRMWARE);
    check_pages(psp, PPR_LOG, 0, 0);
    assert_cmd(BAD_PAGE_STATE, gctx_create(psp, EVENT_LOG));
    assert_cmd(OK, psp_cmd(psp, SNP_DF_FLUSH, NULL, 0));
    assert_cmd(OK, psp_cmd64(psp, SNP_SHUTDOWN_EX, 1ULL << 32 | 8));
    check_pages(psp, EVENT_LOG, 2, PAGE_RECLAIM);
    check_pages(psp, COMPLETION, 1, PAGE_RECLAIM);
    check_pages(psp, PPR_LOG, 0, 0);

    /* From the beginning */
    assert_cmd(OK, psp_cmd(psp, SNP_INIT, NULL, 0));
    check_pages(psp, EVENT_LOG, 0, 0);
    check_pages(psp, PPR_LOG, 1, PAGE_FIRMWARE);
    rmp_set(psp, EVENT_LOG, PAGE_FIRMWARE);
    assert_cmd(OK, gctx_create(psp, EVENT_LOG));
    psp_stop(psp);
}

/* What the document says the launch digest is */
static void digest_add(uint8_t ld[48], const uint8_t contents[48],
                       unsigned type, const uint8_t perms[3], uint64_t gpa)
{
    uint8_t info[0x70] = { 0 };

    memcpy(info, ld, 48);
    memcpy(info + 48, contents, 48);
    stw_le_p(info + 0x60, sizeof(info));
    info[0x62] = type;
    memcpy(info + 0x65, perms, 3);
    stq_le_p(info + 0x68, gpa);
    sha384(info, sizeof(info), ld);
}

/*
 * AES-256-GCM, encryption only, straight from the definition: the hash key is
 * multiplied bit by bit in the order of the polynomial's coefficients.
 */
static void gf_mul(uint8_t x[16], const uint8_t h[16])
{
    uint8_t z[16] = { 0 }, v[16];
    int i, j;

    memcpy(v, h, 16);
    for (i = 0; i < 128; i++) {
        int carry = v[15] & 1;

        if (x[i / 8] & (0x80 >> (i % 8))) {
            for (j = 0; j < 16; j++) {
                z[j] ^= v[j];
            }
        }
        for (j = 15; j > 0; j--) {
            v[j] = v[j] >> 1 | v[j - 1] << 7;
        }
        v[0] >>= 1;
        if (carry) {
            v[0] ^= 0xe1;
        }
    }
    memcpy(x, z, 16);
}

static void gcm_hash(uint8_t y[16], const uint8_t h[16], const uint8_t *p,
                     size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        y[i % 16] ^= p[i];
        if (i % 16 == 15 || i == len - 1) {
            gf_mul(y, h);
        }
    }
}

static void gcm(const uint8_t key[32], uint64_t seqno, const uint8_t *aad,
                size_t aad_len, uint8_t *data, size_t len, bool decrypt,
                uint8_t tag[16])
{
    uint8_t ctr[16] = { 0 }, h[16] = { 0 }, y[16] = { 0 }, ks[16], n[16];
    AES_KEY aes;
    size_t i;

    AES_set_encrypt_key(key, 256, &aes);
    AES_encrypt(h, h, &aes);
    stq_le_p(ctr, seqno);
    ctr[15] = 1;
    AES_encrypt(ctr, tag, &aes);

    gcm_hash(y, h, aad, aad_len);
    if (decrypt) {
        gcm_hash(y, h, data, len);
    }
    for (i = 0; i < len; i++) {
        if (i % 16 == 0) {
            stl_be_p(ctr + 12, 2 + i / 16);
            AES_encrypt(ctr, ks, &aes);
        }
        data[i] ^= ks[i % 16];
    }
    if (!decrypt) {
        gcm_hash(y, h, data, len);
    }
    stq_be_p(n, aad_len * 8);
    stq_be_p(n + 8, len * 8);
    gcm_hash(y, h, n, 16);
    for (i = 0; i < 16; i++) {
        tag[i] ^= y[i];
    }
}

static void make_msg(Psp *psp, const uint8_t key[32], unsigned vmpck,
                     uint64_t seqno, unsigned type, const void *payload,
                     size_t len)
{
    uint8_t msg[4096] = { 0 };

    stq_le_p(msg + 0x20, seqno);
    msg[0x30] = 1;
    msg[0x31] = 1;
    stw_le_p(msg + 0x32, 0x60);
    msg[0x34] = type;
    msg[0x35] = 1;
    stw_le_p(msg + 0x36, len);
    msg[0x3c] = vmpck;
    memcpy(msg + 0x60, payload, len);
    gcm(key, seqno, msg + 0x30, 0x30, msg + 0x60, len, false, msg);
    qtest_memwrite(psp->qts, REQ, msg, sizeof(msg));
}

static void read_msg(Psp *psp, const uint8_t key[32], uint64_t seqno,
                     unsigned type, void *payload, size_t len)
{
    uint8_t msg[4096], tag[16];

    qtest_memread(psp->qts, RSP, msg, sizeof(msg));
    g_assert_cmpint(ldq_le_p(msg + 0x20), ==, seqno);
    g_assert_cmpint(msg[0x34], ==, type);
    g_assert_cmpint(lduw_le_p(msg + 0x36), ==, len);
    gcm(key, seqno, msg + 0x30, 0x30, msg + 0x60, len, true, tag);
    g_assert_cmpmem(tag, 16, msg, 16);
    memcpy(payload, msg + 0x60, len);
}

static void check_requests(Psp *psp, const uint8_t *key, const uint8_t ld[48])
{
    uint8_t req[96] = { 0 }, rsp[0x20 + 0x4a0], key_req[32] = { 0 };
    uint8_t key_rsp[64], first[32], tag;

    rmp_set(psp, RSP, PAGE_HV);
    memset(req, 0xab, 64);
    make_msg(psp, key, 0, 1, 5, req, sizeof(req));
    assert_cmd(BAD_PAGE_STATE, psp_cmd64(psp, SNP_GUEST_REQUEST, GCTX, REQ,
                                         RSP));
    rmp_set(psp, RSP, PAGE_FIRMWARE);

    /* One bit wrong, or a number that was there already */
    tag = qtest_readb(psp->qts, REQ);
    qtest_writeb(psp->qts, REQ, tag ^ 1);
    assert_cmd(BAD_MEASUREMENT, psp_cmd64(psp, SNP_GUEST_REQUEST, GCTX, REQ,
                                          RSP));
    qtest_writeb(psp->qts, REQ, tag);
    assert_cmd(OK, psp_cmd64(psp, SNP_GUEST_REQUEST, GCTX, REQ, RSP));
    assert_cmd(AEAD_OFLOW, psp_cmd64(psp, SNP_GUEST_REQUEST, GCTX, REQ, RSP));

    read_msg(psp, key, 2, 6, rsp, sizeof(rsp));
    g_assert_cmpint(ldl_le_p(rsp), ==, 0);
    g_assert_cmpint(ldl_le_p(rsp + 4), ==, 0x4a0);
    g_assert_cmphex(ldq_le_p(rsp + 0x20 + 8), ==, SNP_POLICY_DBG);
    g_assert_cmpmem(rsp + 0x20 + 0x50, 64, req, 64);
    g_assert_cmpmem(rsp + 0x20 + 0x90, 48, ld, 48);
    g_assert_cmphex(ldq_le_p(rsp + 0x20 + 0xc0), ==, 0x1111);

    /* VMPL 0 with the key of VMPL 1: the answer says no. */
    make_msg(psp, key + 32, 1, 1, 5, req, sizeof(req));
    assert_cmd(OK, psp_cmd64(psp, SNP_GUEST_REQUEST, GCTX, REQ, RSP));
    read_msg(psp, key + 32, 2, 6, rsp, sizeof(rsp));
    g_assert_cmphex(ldl_le_p(rsp), ==, BAD_PARAM);

    /* The same question has the same answer; another one another. */
    make_msg(psp, key, 0, 3, 3, key_req, sizeof(key_req));
    assert_cmd(OK, psp_cmd64(psp, SNP_GUEST_REQUEST, GCTX, REQ, RSP));
    read_msg(psp, key, 4, 4, key_rsp, sizeof(key_rsp));
    g_assert_cmpint(ldl_le_p(key_rsp), ==, 0);
    memcpy(first, key_rsp + 32, 32);
    make_msg(psp, key, 0, 5, 3, key_req, sizeof(key_req));
    assert_cmd(OK, psp_cmd64(psp, SNP_GUEST_REQUEST, GCTX, REQ, RSP));
    read_msg(psp, key, 6, 4, key_rsp, sizeof(key_rsp));
    g_assert_cmpmem(key_rsp + 32, 32, first, 32);
    key_req[8] = 8;
    make_msg(psp, key, 0, 7, 3, key_req, sizeof(key_req));
    assert_cmd(OK, psp_cmd64(psp, SNP_GUEST_REQUEST, GCTX, REQ, RSP));
    read_msg(psp, key, 8, 4, key_rsp, sizeof(key_rsp));
    g_assert(memcmp(key_rsp + 32, first, 32));

    make_msg(psp, key, 0, 9, 77, req, sizeof(req));
    assert_cmd(BAD_PARAM, psp_cmd64(psp, SNP_GUEST_REQUEST, GCTX, REQ, RSP));
    make_msg(psp, key, 0, 9, 5, req, 16);
    assert_cmd(BAD_PARAM, psp_cmd64(psp, SNP_GUEST_REQUEST, GCTX, REQ, RSP));
}

static void test_snp_guest(void)
{
    static const uint8_t no_perms[3];
    Psp *psp = psp_start(true, "");
    uint8_t ld[48] = { 0 }, contents[48], none[48] = { 0 }, page[4096];
    uint8_t update[32] = { 0 }, perms[3] = { 1, 3, 7 }, keys[128];
    uint8_t status[32];
    uint64_t pa;

    snp_init(psp);

    /* Creation */
    assert_cmd(BAD_PAGE_STATE, gctx_create(psp, GCTX));
    assert_cmd(BAD_PARAM, gctx_create(psp, GCTX + 8));
    assert_cmd(BAD_PAGE_STATE, gctx_create(psp, NOWHERE));
    assert_cmd(BAD_GUEST, launch_start(psp, GCTX, SNP_POLICY));
    rmp_set(psp, GCTX, PAGE_FIRMWARE);
    assert_cmd(BAD_GUEST, launch_start(psp, GCTX, SNP_POLICY));
    assert_cmd(OK, gctx_create(psp, GCTX));
    g_assert_cmphex(rmp_get(psp, GCTX), ==, PAGE_CONTEXT);
    assert_cmd(BAD_PAGE_STATE, gctx_create(psp, GCTX));
    assert_cmd(BAD_GUEST_STATE, psp_cmd64(psp, SNP_ACTIVATE, GCTX, 5));
    assert_cmd(BAD_GUEST_STATE, launch_finish(psp, GCTX));
    assert_cmd(POLICY_FAILURE, launch_start(psp, GCTX, 1ULL << 16));
    assert_cmd(POLICY_FAILURE, launch_start(psp, GCTX, SNP_POLICY | 0xff00));
    assert_cmd(POLICY_FAILURE, launch_start(psp, GCTX, SNP_POLICY |
                                            1ULL << 40));
    assert_cmd(OK, launch_start(psp, GCTX, SNP_POLICY_DBG));
    assert_cmd(BAD_GUEST_STATE, launch_start(psp, GCTX, SNP_POLICY));

    /* Activation */
    fill(psp, DATA, 1);
    rmp_set(psp, DATA, PAGE_PRE_GUEST(5, 0x40000000));
    assert_cmd(INACTIVE, launch_update(psp, GCTX, 1, DATA));
    assert_cmd(INACTIVE, launch_finish(psp, GCTX));
    assert_cmd(BAD_ASID, psp_cmd64(psp, SNP_ACTIVATE, GCTX, 0));
    assert_cmd(BAD_ASID, psp_cmd64(psp, SNP_ACTIVATE, GCTX, 100000));
    rmp_set(psp, DATA, PAGE_HV);
    assert_cmd(OK, psp_cmd64(psp, SNP_ACTIVATE, GCTX, 5));
    assert_cmd(ACTIVE, psp_cmd64(psp, SNP_ACTIVATE, GCTX, 6));

    /* A page of each type, and the wrong state, owner or size */
    assert_cmd(BAD_PAGE_STATE, launch_update(psp, GCTX, 1, DATA));
    rmp_set(psp, DATA, PAGE_PRE_GUEST(6, 0x40000000));
    assert_cmd(BAD_PAGE_OWNER, launch_update(psp, GCTX, 1, DATA));
    rmp_set(psp, DATA, PAGE_GUEST_INVALID(5, 0x40000000));
    assert_cmd(BAD_PAGE_STATE, launch_update(psp, GCTX, 1, DATA));
    rmp_set(psp, DATA, PAGE_PRE_GUEST(5, 0x40000000));
    assert_cmd(BAD_PARAM, launch_update(psp, GCTX, 0, DATA));
    assert_cmd(BAD_PARAM, launch_update(psp, GCTX, 7, DATA));
    assert_cmd(BAD_PARAM, launch_update(psp, GCTX, 1, DATA + 1));
    assert_cmd(BAD_PAGE_SIZE, psp_cmd64(psp, SNP_LAUNCH_UPDATE, GCTX, 3, DATA,
                                        0));
    assert_cmd(OK, launch_update(psp, GCTX, 1, DATA));
    g_assert_cmphex(rmp_get(psp, DATA), ==, PAGE_GUEST_VALID(5, 0x40000000));
    qtest_memread(psp->qts, DATA, page, sizeof(page));
    sha384(page, sizeof(page), contents);
    digest_add(ld, contents, 1, no_perms, 0x40000000);

    /* VMSA: the clock of the hypervisor does not count */
    pa = DATA + 0x1000;
    fill(psp, pa, 2);
    rmp_set(psp, pa, PAGE_PRE_GUEST(5, 0xfffffffff000));
    stq_le_p(update, GCTX);
    stl_le_p(update + 8, 2 << 1);
    stq_le_p(update + 16, pa);
    memcpy(update + 25, perms, 3);
    assert_cmd(OK, psp_cmd(psp, SNP_LAUNCH_UPDATE, update, sizeof(update)));
    g_assert_cmphex(rmp_get(psp, pa), ==,
                    PAGE_GUEST_VALID(5, 0xfffffffff000) | RMP_VMSA);
    g_assert_cmphex(qtest_readl(psp->qts, rmp_addr(psp, pa) + 8), ==,
                    0x07030100);
    qtest_memread(psp->qts, pa, page, sizeof(page));
    g_assert(ldq_le_p(page + 0x2f0));
    memset(page + 0x2f0, 0, 16);
    sha384(page, sizeof(page), contents);
    digest_add(ld, contents, 2, perms, 0xfffffffff000);

    pa = DATA + 0x2000;
    fill(psp, pa, 3);
    rmp_set(psp, pa, PAGE_PRE_GUEST(5, 0x2000));
    assert_cmd(OK, launch_update(psp, GCTX, 3, pa));
    g_assert_cmphex(qtest_readq(psp->qts, pa + 0x800), ==, 0);
    digest_add(ld, none, 3, no_perms, 0x2000);

    pa = DATA + 0x3000;
    fill(psp, pa, 4);
    rmp_set(psp, pa, PAGE_PRE_GUEST(5, 0x3000));
    assert_cmd(OK, launch_update(psp, GCTX, 4, pa));
    g_assert_cmphex(qtest_readb(psp->qts, pa), ==, 4);
    digest_add(ld, none, 4, no_perms, 0x3000);

    pa = DATA + 0x4000;
    fill(psp, pa, 5);
    rmp_set(psp, pa, PAGE_PRE_GUEST(5, 0x4000));
    assert_cmd(OK, launch_update(psp, GCTX, 5, pa));
    g_assert_cmpint(qtest_readl(psp->qts, pa), >=, 2);
    qtest_memread(psp->qts, pa + 0x20, keys, sizeof(keys));
    digest_add(ld, none, 5, no_perms, 0x4000);

    /* CPUID: a vendor that this is not; then what the firmware made of it */
    pa = DATA + 0x5000;
    qtest_memset(psp->qts, pa, 0, 4096);
    qtest_writel(psp->qts, pa, 2);
    qtest_writel(psp->qts, pa + 16 + 24, 0xffffffff);
    qtest_writel(psp->qts, pa + 16 + 48, 0x80000001);
    qtest_writel(psp->qts, pa + 16 + 48 + 32, 0xffffffff);
    rmp_set(psp, pa, PAGE_PRE_GUEST(5, 0x5000));
    assert_cmd(BAD_PARAM, launch_update(psp, GCTX, 6, pa));
    g_assert_cmphex(rmp_get(psp, pa), ==, PAGE_PRE_GUEST(5, 0x5000));
    g_assert_cmphex(qtest_readl(psp->qts, pa + 16 + 28), ==, 0x68747541);
    assert_cmd(OK, launch_update(psp, GCTX, 6, pa));
    digest_add(ld, none, 6, no_perms, 0x5000);
    pa = DATA + 0x6000;
    qtest_writel(psp->qts, pa, 65);
    rmp_set(psp, pa, PAGE_PRE_GUEST(5, 0x6000));
    assert_cmd(BAD_PARAM, launch_update(psp, GCTX, 6, pa));

    /* A large page is measured as 512 small ones. */
    for (pa = LARGE; pa < LARGE + 2 * MiB; pa += 4096) {
        rmp_set(psp, pa, PAGE_PRE_GUEST(5, 0x80000000 + pa - LARGE) | RMP_2M);
    }
    memset(page, 0x5a, sizeof(page));
    qtest_memset(psp->qts, LARGE, 0x5a, 2 * MiB);
    sha384(page, sizeof(page), contents);
    assert_cmd(BAD_PAGE_SIZE, launch_update(psp, GCTX, 1, LARGE));
    assert_cmd(OK, psp_cmd64(psp, SNP_LAUNCH_UPDATE, GCTX, 3, LARGE, 0));
    for (pa = 0; pa < 2 * MiB; pa += 4096) {
        digest_add(ld, contents, 1, no_perms, 0x80000000 + pa);
        g_assert_cmphex(rmp_get(psp, LARGE + pa), ==,
                        PAGE_GUEST_VALID(5, 0x80000000 + pa) | RMP_2M);
    }

    /* No message before the guest runs */
    rmp_set(psp, RSP, PAGE_FIRMWARE);
    assert_cmd(BAD_GUEST_STATE, psp_cmd64(psp, SNP_GUEST_REQUEST, GCTX, REQ,
                                          RSP));
    assert_cmd(BAD_PARAM, psp_cmd64(psp, SNP_LAUNCH_FINISH, GCTX, 0, 0, 8, 0,
                                    0, 0, 0));
    assert_cmd(BAD_MEASUREMENT, psp_cmd64(psp, SNP_LAUNCH_FINISH, GCTX,
                                          REQ, REQ, 1, 0, 0, 0, 0));
    assert_cmd(OK, launch_finish(psp, GCTX));
    assert_cmd(BAD_GUEST_STATE, launch_finish(psp, GCTX));
    assert_cmd(BAD_GUEST_STATE, launch_update(psp, GCTX, 1, DATA + 0x6000));
    check_requests(psp, keys, ld);

    rmp_set(psp, OUT, PAGE_FIRMWARE);
    assert_cmd(OK, psp_cmd64(psp, SNP_GUEST_STATUS, GCTX, OUT));
    qtest_memread(psp->qts, OUT, status, sizeof(status));
    g_assert_cmphex(ldq_le_p(status), ==, SNP_POLICY_DBG);
    g_assert_cmpint(ldl_le_p(status + 8), ==, 5);
    g_assert_cmpint(status[12], ==, 2);

    /* A second guest, which may not be debugged, and may not have ASID 5 */
    rmp_set(psp, GCTX2, PAGE_FIRMWARE);
    assert_cmd(OK, gctx_create(psp, GCTX2));
    assert_cmd(OK, launch_start(psp, GCTX2, SNP_POLICY));
    assert_cmd(ASID_OWNED, psp_cmd64(psp, SNP_ACTIVATE, GCTX2, 5));
    assert_cmd(OK, psp_cmd64(psp, SNP_ACTIVATE, GCTX2, 7));
    fill(psp, DATA + 0x7000, 9);
    rmp_set(psp, DATA + 0x7000, PAGE_GUEST_VALID(7, 0x7000));
    rmp_set(psp, OUT, PAGE_FIRMWARE);
    assert_cmd(POLICY_FAILURE, psp_cmd64(psp, SNP_DBG_DECRYPT, GCTX2,
                                         DATA + 0x7000, OUT));
    assert_cmd(BAD_PAGE_OWNER, psp_cmd64(psp, SNP_DBG_DECRYPT, GCTX,
                                         DATA + 0x7000, OUT));
    assert_cmd(OK, psp_cmd64(psp, SNP_DBG_DECRYPT, GCTX, DATA, OUT));
    g_assert_cmphex(qtest_readb(psp->qts, OUT), ==, 1);
    assert_cmd(BAD_PAGE_STATE, psp_cmd64(psp, SNP_DBG_DECRYPT, GCTX, DATA,
                                         DATA));
    assert_cmd(BAD_PAGE_STATE, psp_cmd64(psp, SNP_DBG_DECRYPT, GCTX, OUT,
                                         OUT));
    assert_cmd(BAD_PAGE_STATE, psp_cmd64(psp, SNP_DBG_ENCRYPT, GCTX, OUT,
                                         DATA));
    rmp_set(psp, DATA, PAGE_PRE_GUEST(5, 0x40000000));
    assert_cmd(OK, psp_cmd64(psp, SNP_DBG_ENCRYPT, GCTX, OUT, DATA));

    /* The end of a guest: its ASID is dirty, its context a firmware page. */
    assert_cmd(OK, psp_cmd64(psp, SNP_DECOMMISSION, GCTX));
    g_assert_cmphex(rmp_get(psp, GCTX), ==, PAGE_FIRMWARE);
    assert_cmd(BAD_GUEST, psp_cmd64(psp, SNP_DECOMMISSION, GCTX));
    assert_cmd(OK, psp_cmd64(psp, SNP_PAGE_RECLAIM, GCTX));
    for (pa = DATA; pa < DATA + 0x7000; pa += 4096) {
        rmp_set(psp, pa, PAGE_HV);
    }
    for (pa = LARGE; pa < LARGE + 2 * MiB; pa += 4096) {
        rmp_set(psp, pa, PAGE_HV);
    }
    rmp_set(psp, GCTX, PAGE_FIRMWARE);
    assert_cmd(OK, gctx_create(psp, GCTX));
    assert_cmd(OK, launch_start(psp, GCTX, SNP_POLICY));
    assert_cmd(DFFLUSH_REQUIRED, psp_cmd64(psp, SNP_ACTIVATE, GCTX, 5));
    assert_cmd(OK, psp_cmd(psp, SNP_DF_FLUSH, NULL, 0));
    assert_cmd(OK, psp_cmd64(psp, SNP_ACTIVATE, GCTX, 5));

    /* A device may have written to the RMP: no 2M page begins there. */
    rmp_set(psp, GCTX, PAGE_CONTEXT | RMP_2M);
    assert_cmd(OK, psp_cmd64(psp, SNP_DECOMMISSION, GCTX));
    psp_stop(psp);
}

/* What a hypervisor says about CPUID, and what the firmware makes of it */
static void test_cpuid(void)
{
    enum {
        X2APIC = 1 << 21, TSC_DEADLINE = 1 << 24, OSXSAVE = 1 << 27,
        HYPERVISOR = 1U << 31,
        XSAVEOPT = 1 << 0, XSAVEC = 1 << 1, XGETBV1 = 1 << 2, XSAVES = 1 << 3,
        CLFLUSH = 8 << 8, SEV_SNP = 0x1a, C_BIT_51 = 51,
    };
    static const struct {
        uint32_t eax_in, ecx_in, before[4], after[4];
    } rows[] = {
        /* Of the address bits that a guest loses the hypervisor decides. */
        { 0x8000001f, 0, { SEV_SNP, C_BIT_51 | 1 << 6 },
                         { SEV_SNP, C_BIT_51 | 1 << 6 } },
        { 0x8000001f, 0, { SEV_SNP, C_BIT_51 | 5 << 6 | 1 << 12 },
                         { SEV_SNP, C_BIT_51 | 5 << 6 | 1 << 12 } },
        { 0x8000001f, 0, { SEV_SNP, 47 | 1 << 6 },
                         { SEV_SNP, C_BIT_51 | 1 << 6 } },
        { 1, 0, { 0x800f12, CLFLUSH | 1 << 16, X2APIC | OSXSAVE | HYPERVISOR },
                { 0x800f12, CLFLUSH | 1 << 16,
                  X2APIC | OSXSAVE | HYPERVISOR } },
        /* What KVM could emulate, but no such processor has */
        { 1, 0, { 0x800f12, CLFLUSH, X2APIC | TSC_DEADLINE },
                { 0x800f12, CLFLUSH, X2APIC } },
        { 1, 0, { 0x800f12, CLFLUSH / 2 }, { 0x800f12, CLFLUSH } },
        /* What this one has not */
        { 0xd, 1, { XSAVEOPT | XSAVEC | XGETBV1 | XSAVES, 0x240 },
                  { XSAVEOPT | XSAVEC | XGETBV1, 0x240 } },
        { 0xd, 1, { XSAVEOPT | XSAVEC | XGETBV1, 0x240 },
                  { XSAVEOPT | XSAVEC | XGETBV1, 0x240 } },
        /* None of the processor's */
        { 0x40000001, 0, { -1, -1, -1, -1 }, { -1, -1, -1, -1 } },
    };
    Psp *psp = psp_start(true, "");
    uint64_t entry = DATA + 16;
    int i, j;

    snp_init(psp);
    make_guest(psp, GCTX, 5, SNP_POLICY);
    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        bool ok = !memcmp(rows[i].before, rows[i].after,
                          sizeof(rows[i].before));

        qtest_memset(psp->qts, DATA, 0, 4096);
        qtest_writel(psp->qts, DATA, 1);
        qtest_writel(psp->qts, entry, rows[i].eax_in);
        qtest_writel(psp->qts, entry + 4, rows[i].ecx_in);
        for (j = 0; j < 4; j++) {
            qtest_writel(psp->qts, entry + 24 + j * 4, rows[i].before[j]);
        }
        rmp_set(psp, DATA, PAGE_PRE_GUEST(5, 0x5000));
        assert_cmd(ok ? OK : BAD_PARAM, launch_update(psp, GCTX, 6, DATA));
        for (j = 0; j < 4; j++) {
            g_assert_cmphex(qtest_readl(psp->qts, entry + 24 + j * 4), ==,
                            rows[i].after[j]);
        }
        if (!ok) {
            assert_cmd(OK, launch_update(psp, GCTX, 6, DATA));
        }
    }
    psp_stop(psp);
}

static void set_inject(Psp *psp, const char *what, bool good)
{
    QDict *rsp = qtest_qmp(psp->qts, "{ 'execute': 'qom-list', 'arguments': "
                           "{ 'path': '/machine/unattached' } }");
    QListEntry *entry;
    g_autofree char *path = NULL;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(rsp, "return"), entry) {
        QDict *item = qobject_to(QDict, qlist_entry_obj(entry));

        if (!strcmp(qdict_get_str(item, "type"), "child<amd-psp>")) {
            path = g_strdup_printf("/machine/unattached/%s",
                                   qdict_get_str(item, "name"));
        }
    }
    qobject_unref(rsp);
    g_assert(path);
    rsp = qtest_qmp(psp->qts, "{ 'execute': 'qom-set', 'arguments': { "
                    "'path': %s, 'property': 'inject', 'value': %s } }",
                    path, what);
    g_assert(qdict_haskey(rsp, "return") == good);
    qobject_unref(rsp);
}

static void test_inject(void)
{
    Psp *psp = psp_start(true, "");

    snp_init(psp);
    set_inject(psp, "0x93:0x17:2", true);
    rmp_set(psp, GCTX, PAGE_FIRMWARE);
    assert_cmd(0x17, gctx_create(psp, GCTX));
    g_assert_cmphex(rmp_get(psp, GCTX), ==, PAGE_FIRMWARE);
    assert_cmd(OK, psp_cmd(psp, SNP_DF_FLUSH, NULL, 0));
    assert_cmd(0x17, gctx_create(psp, GCTX));
    assert_cmd(OK, gctx_create(psp, GCTX));
    set_inject(psp, "0x93", false);
    set_inject(psp, "0x93:1:1:1", false);
    set_inject(psp, "", false);
    set_inject(psp, "0x10000:1:1", false);
    psp_stop(psp);
}

static void test_reset(void)
{
    Psp *psp = psp_start(true, "");

    snp_init(psp);
    make_guest(psp, GCTX, 5, SNP_POLICY);
    qtest_writeb(psp->qts, FLAG, 0);
    qtest_writew(psp->qts, FLAG + 4, 0);
    qobject_unref(qtest_qmp(psp->qts, "{ 'execute': 'system_reset' }"));
    wait_for_cpus(psp);
    qpci_device_enable(psp->dev);
    psp->bus->mmio_alloc_ptr = 0xe0000000;
    psp->bar = qpci_iomap(psp->dev, 2, NULL);
    qtest_writeq(psp->qts, IOMMU_CONTROL, IOMMU_ON);
    assert_cmd(BAD_PLATFORM_STATE, launch_start(psp, GCTX, SNP_POLICY));
    snp_init(psp);
    assert_cmd(BAD_GUEST, launch_start(psp, GCTX, SNP_POLICY));
    make_guest(psp, GCTX, 5, SNP_POLICY);
    psp_stop(psp);
}

/*
 * Whatever the guest writes, QEMU lives on.  Buffers are made of values that
 * are likely to be just right or just wrong, in states that change as well.
 */
static uint64_t fuzz_value(GRand *rand, Psp *psp)
{
    const uint64_t values[] = {
        0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 48, 64, 4095, 4096, 8192, 0x1000000,
        UINT32_MAX, UINT64_MAX, 1ULL << 63, C_BIT, NOWHERE, 0xfed00000,
        CMD, CMD_FW, OUT, LIST, GCTX, GCTX2, REQ, RSP, DATA, DATA + 0x1000,
        DATA + 8, TMR, LARGE, LARGE | 1, psp->rmp_base, psp->rmp_end,
        RAM_SIZE - 4096, RAM_SIZE, SNP_POLICY, SNP_POLICY_DBG, 1ULL << 32,
        5ULL << 32 | 1, 4ULL << 32, 1 * MiB, 2 * MiB,
    };

    if (g_rand_int_range(rand, 0, 8)) {
        return values[g_rand_int_range(rand, 0, ARRAY_SIZE(values))];
    }
    return (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
}

static void test_fuzz(void)
{
    static const uint64_t pages[] = {
        CMD_FW, OUT, GCTX, GCTX2, REQ, RSP, DATA, DATA + 0x1000, LARGE,
    };
    static const uint8_t likely[] = {
        INIT, SHUTDOWN, PLATFORM_STATUS, DF_FLUSH, GET_ID, ACTIVATE,
        LAUNCH_START, LAUNCH_UPDATE_DATA, LAUNCH_MEASURE, LAUNCH_FINISH,
        SNP_INIT, SNP_DF_FLUSH, SNP_GCTX_CREATE, SNP_LAUNCH_START,
        SNP_ACTIVATE, SNP_LAUNCH_UPDATE, SNP_LAUNCH_FINISH, SNP_GUEST_REQUEST,
        SNP_DBG_DECRYPT, SNP_PAGE_RECLAIM, SNP_PAGE_UNSMASH,
    };
    static const uint64_t iommu[] = {
        IOMMU_EVENT_BASE, IOMMU_PPR_BASE, IOMMU_EXCL_BASE, IOMMU_EXCL_LIMIT,
    };
    int rounds = g_test_slow() ? 200000 : 5000, i, j;
    uint32_t seed = g_test_rand_int();
    GRand *rand = g_rand_new_with_seed(seed);
    Psp *psp = psp_start(true, "");

    g_test_message("seed 0x%x", seed);
    for (i = 0; i < rounds; i++) {
        uint64_t buf[16], where = CMD;
        unsigned cmd;

        if (!g_rand_int_range(rand, 0, 3)) {
            uint64_t entry = fuzz_value(rand, psp) & 0xffffffff000ULL;

            entry |= g_rand_int_range(rand, 0, 8);
            entry |= RMP_ASID(g_rand_int_range(rand, 0, 8) & 5);
            entry |= (uint64_t)g_rand_int_range(rand, 0, 4) << 61;
            rmp_set(psp, pages[g_rand_int_range(rand, 0, ARRAY_SIZE(pages))],
                    g_rand_boolean(rand) ? entry : PAGE_FIRMWARE);
        }
        for (j = 0; j < ARRAY_SIZE(buf); j++) {
            buf[j] = cpu_to_le64(fuzz_value(rand, psp));
        }
        cmd = g_rand_int_range(rand, 0, 4) ?
              likely[g_rand_int_range(rand, 0, ARRAY_SIZE(likely))] :
              g_rand_int_range(rand, 0, 0x100);
        if (!g_rand_int_range(rand, 0, 4)) {
            where = fuzz_value(rand, psp);
        }
        if (where < RAM_SIZE - sizeof(buf) && where >= 4096 &&
            (where < psp->rmp_base - 4096 || where > psp->rmp_end)) {
            qtest_memwrite(psp->qts, where, buf, sizeof(buf));
        }
        psp_issue(psp, cmd, where);
        if (!g_rand_int_range(rand, 0, 16)) {
            qtest_writeq(psp->qts, iommu[g_rand_int_range(rand, 0,
                                                          ARRAY_SIZE(iommu))],
                         fuzz_value(rand, psp));
        }
        if (!g_rand_int_range(rand, 0, 16)) {
            qtest_writeq(psp->qts, IOMMU_CONTROL, IOMMU_ON |
                         (g_rand_boolean(rand) ? IOMMU_EVENT_LOG : 0) |
                         (g_rand_boolean(rand) ? IOMMU_PPR_LOG : 0));
        }
    }
    /* It does as it is told still. */
    psp_cmd(psp, SHUTDOWN, NULL, 0);
    g_assert_cmphex(qpci_io_readl(psp->dev, psp->bar, REG_FEATURES), ==, 1);
    psp_stop(psp);
    g_rand_free(rand);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_machine("q35") || !qtest_has_device("amd-psp") ||
        !qtest_has_accel("tcg")) {
        g_test_skip("no q35 machine, amd-psp device or TCG");
        return g_test_run();
    }
    qtest_add_func("/amd-psp/registers", test_registers);
    qtest_add_func("/amd-psp/msix", test_msix);
    qtest_add_func("/amd-psp/sev/platform", test_sev_platform);
    qtest_add_func("/amd-psp/sev/guest", test_sev_guest);
    qtest_add_func("/amd-psp/sev/long", test_sev_long);
    qtest_add_func("/amd-psp/snp/platform", test_snp_platform);
    qtest_add_func("/amd-psp/snp/cpus", test_cpus);
    qtest_add_func("/amd-psp/snp/large-memory", test_large_memory);
    qtest_add_func("/amd-psp/snp/reclaim", test_reclaim);
    qtest_add_func("/amd-psp/snp/iommu", test_iommu);
    qtest_add_func("/amd-psp/snp/guest", test_snp_guest);
    qtest_add_func("/amd-psp/snp/cpuid", test_cpuid);
    qtest_add_func("/amd-psp/inject", test_inject);
    qtest_add_func("/amd-psp/reset", test_reset);
    qtest_add_func("/amd-psp/fuzz", test_fuzz);
    return g_test_run();
}
