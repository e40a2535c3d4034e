/*
 * Firmware of the AMD security processor: what its parts share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_MISC_AMD_SEV_FW_INTERNAL_H
#define HW_MISC_AMD_SEV_FW_INTERNAL_H

#include "hw/misc/amd-sev-fw.h"
#include "amd-sev-fw-crypto.h"

#define SEV_FW_PAGE_SIZE    SNP_RMP_PAGE_SIZE

/* Addresses of the hypervisor may have the encryption bit set. */
#define SEV_FW_C_BIT        (1ULL << 51)

/* The longest command buffer of all commands. */
#define SEV_FW_MAX_BUFFER   128

/* Security version of each part of the platform, SNP ABI "TCB_VERSION". */
#define SEV_FW_TCB_BOOT_LOADER  4ULL
#define SEV_FW_TCB_SNP          0x17ULL
#define SEV_FW_TCB_MICROCODE    0x48ULL
#define SEV_FW_TCB              (SEV_FW_TCB_BOOT_LOADER |       \
                                 SEV_FW_TCB_SNP << 48 |         \
                                 SEV_FW_TCB_MICROCODE << 56)

typedef enum SevPlatformState {
    SEV_PLATFORM_UNINIT,
    SEV_PLATFORM_INIT,
    SEV_PLATFORM_WORKING,       /* has guests; only without SNP */
} SevPlatformState;

/*
 * Life of an ASID: DF_FLUSH makes dirty ones clean; ACTIVATE allocates a clean
 * one; it is in use from when the guest runs, and dirty when the guest is gone.
 */
typedef enum SevAsidState {
    SEV_ASID_DIRTY,
    SEV_ASID_CLEAN,
    SEV_ASID_ALLOCATED,
    SEV_ASID_IN_USE,
} SevAsidState;

/* SNP ABI, "Page States". */
typedef enum SnpPageState {
    SNP_PAGE_INVALID,           /* an RMP entry that is none of the others */
    SNP_PAGE_DEFAULT,           /* not covered by the RMP */
    SNP_PAGE_HYPERVISOR,
    SNP_PAGE_HV_FIXED,
    SNP_PAGE_FIRMWARE,
    SNP_PAGE_RECLAIM,
    SNP_PAGE_CONTEXT,
    SNP_PAGE_METADATA,
    SNP_PAGE_PRE_GUEST,
    SNP_PAGE_PRE_SWAP,
    SNP_PAGE_GUEST_INVALID,
    SNP_PAGE_GUEST_VALID,
} SnpPageState;

/**
 * SevFwHandler: one command
 * @fw: the firmware
 * @buf: copy of the command buffer, which is copied back if the command
 *       writes to it
 */
typedef SevStatus SevFwHandler(SevFw *fw, void *buf);

enum {
    SEV_FW_CMD_WRITES = 1,      /* writes to its command buffer */
    SEV_FW_CMD_WRITES_LENGTH = 2,   /* and also if it fails with a length */
};

/**
 * SevFwCommand: how to dispatch a command
 * @name: for traces
 * @handler: the command
 * @length: of the command buffer; zero if it is not looked at
 * @flags: SEV_FW_CMD_*
 */
typedef struct SevFwCommand {
    const char *name;
    SevFwHandler *handler;
    uint8_t length;
    uint8_t flags;
} SevFwCommand;

/* Tables of commands, by their number from the first. */
#define SEV_FW_SEV_FIRST    0x00
#define SEV_FW_SEV_LAST     0x7f
#define SEV_FW_SNP_FIRST    0x80
#define SEV_FW_SNP_LAST     0xff

extern const SevFwCommand
sev_fw_sev_commands[SEV_FW_SEV_LAST - SEV_FW_SEV_FIRST + 1];
extern const SevFwCommand
sev_fw_snp_commands[SEV_FW_SNP_LAST - SEV_FW_SNP_FIRST + 1];

/* Memory */

/**
 * sev_fw_check_range: may the firmware touch this memory?
 * @fw: the firmware
 * @pa: system physical address, which may have the C-bit
 * @len: length in bytes
 *
 * Returns: success if all of it is RAM that belongs neither to the RMP nor to
 * the trusted memory region of SEV-ES; else SEV_STATUS_INVALID_ADDRESS.
 */
SevStatus sev_fw_check_range(SevFw *fw, uint64_t pa, uint64_t len);

/**
 * sev_fw_is_covered_ram: can the firmware make pages of its own of this memory?
 * @fw: the firmware, of a machine with an active RMP
 * @pa: system physical address without C-bit
 * @len: length in bytes
 *
 * Returns: true if the RMP covers all of it, sev_fw_check_range() finds nothing
 * wrong with it, and there is any.
 */
bool sev_fw_is_covered_ram(SevFw *fw, uint64_t pa, uint64_t len);

/**
 * sev_fw_check_writable: may the firmware write its output to this memory?
 * @fw: the firmware
 * @pa: system physical address, which may have the C-bit
 * @len: length in bytes
 *
 * As sev_fw_check_range(); and if SNP is initialized all pages must be in the
 * Firmware or Default state, else SEV_STATUS_INVALID_PAGE_STATE.  Nobody but
 * the firmware can take a page out of the Firmware state, so this holds
 * until the end of the command.
 */
SevStatus sev_fw_check_writable(SevFw *fw, uint64_t pa, uint64_t len);

/**
 * sev_fw_read: copy from memory, with sev_fw_check_range()
 * @fw: the firmware
 * @pa: system physical address, which may have the C-bit
 * @data: where to
 * @len: length in bytes
 */
SevStatus sev_fw_read(SevFw *fw, uint64_t pa, void *data, uint64_t len);

/**
 * sev_fw_write: copy to memory, with sev_fw_check_range()
 * @fw: the firmware
 * @pa: system physical address, which may have the C-bit
 * @data: where from
 * @len: length in bytes
 *
 * Page states are up to the caller.
 */
SevStatus sev_fw_write(SevFw *fw, uint64_t pa, const void *data, uint64_t len);

/**
 * sev_fw_copy: copy from memory to memory
 * @fw: the firmware
 * @dst: system physical address, which may have the C-bit
 * @src: system physical address, which may have the C-bit
 * @len: length in bytes
 *
 * Page states are up to the caller.
 */
SevStatus sev_fw_copy(SevFw *fw, uint64_t dst, uint64_t src, uint64_t len);

/**
 * sev_fw_page_state: what state does an RMP entry stand for?
 * @e: the RMP entry of a page that the RMP covers
 */
SnpPageState sev_fw_page_state(const SnpRmpEntry *e);

/**
 * sev_fw_page: get the state of a page
 * @fw: the firmware; it has an RMP
 * @pa: system physical address, which may have the C-bit
 * @e: where to store the RMP entry; all zero for a Default page
 *
 * The RMP is locked only meanwhile.  RMPUPDATE and PSMASH do nothing to an
 * immutable page, so whatever is said of one of those stays true until the
 * firmware itself changes it.
 */
SnpPageState sev_fw_page(SevFw *fw, uint64_t pa, SnpRmpEntry *e);

/**
 * sev_fw_page_put: change the RMP entry of an immutable page
 * @fw: the firmware; it has an RMP
 * @pa: system physical address, which may have the C-bit
 * @e: the new entry
 *
 * TLBs are not flushed.  Of an immutable page nobody has a translation that
 * would have to go: the hypervisor may not write to it, nor a guest use
 * it, before nor after; or the guest may from now on, and refusals are not
 * kept in TLBs.
 */
void sev_fw_page_put(SevFw *fw, uint64_t pa, const SnpRmpEntry *e);

/* ASIDs */

/**
 * sev_fw_asids_reset: make all ASIDs dirty
 * @fw: the firmware
 */
void sev_fw_asids_reset(SevFw *fw);

/**
 * sev_fw_asid_activate: give an ASID to a guest
 * @fw: the firmware
 * @asid: the ASID
 * @own: the ASID that the guest has already, or 0
 * @again: it is no error if the guest has this ASID
 * @running: the guest runs, that is, the ASID will be in use at once
 */
SevStatus sev_fw_asid_activate(SevFw *fw, uint32_t asid, uint32_t own,
                               bool again, bool running);

/**
 * sev_fw_asid_use: the guest that has an ASID begins to run
 * @fw: the firmware
 * @asid: the ASID; 0 is ignored
 */
void sev_fw_asid_use(SevFw *fw, uint32_t asid);

/**
 * sev_fw_asid_release: the guest that has an ASID gives it up
 * @fw: the firmware
 * @asid: the ASID; 0 is ignored
 */
void sev_fw_asid_release(SevFw *fw, uint32_t asid);

/**
 * sev_fw_df_flush: DF_FLUSH and SNP_DF_FLUSH
 * @fw: the firmware
 * @buf: unused
 */
SevStatus sev_fw_df_flush(SevFw *fw, void *buf);

/**
 * sev_fw_check_apic_ids: read the list of APIC IDs of an ACTIVATE_EX
 * @fw: the firmware
 * @pa: system physical address of the list
 * @count: how many
 */
SevStatus sev_fw_check_apic_ids(SevFw *fw, uint64_t pa, uint32_t count);

/**
 * sev_fw_chip_id: the identity of this chip
 * @fw: the firmware
 * @id: where to store the 64 bytes
 */
void sev_fw_chip_id(SevFw *fw, uint8_t id[64]);

/* Guests */

/**
 * sev_fw_sev_drop: forget all SEV and SEV-ES guests
 * @fw: the firmware
 */
void sev_fw_sev_drop(SevFw *fw);

/**
 * sev_fw_snp_drop: forget all SEV-SNP guests
 * @fw: the firmware
 */
void sev_fw_snp_drop(SevFw *fw);

/* SEV API, "Guest State Machine"; the states of migration are missing. */
typedef enum SevGuestState {
    SEV_GUEST_UNINIT,
    SEV_GUEST_LUPDATE,
    SEV_GUEST_LSECRET,
    SEV_GUEST_RUNNING,
} SevGuestState;

struct SevGuest {
    uint32_t handle;
    uint32_t policy;
    uint32_t asid;              /* 0: not activated */
    uint8_t state;              /* SevGuestState */
    SevSha256 ld;               /* during LUPDATE */
    uint8_t measure[SEV_SHA256_SIZE];       /* from LSECRET */
    QTAILQ_ENTRY(SevGuest) next;
};

extern const VMStateDescription vmstate_sev_guest;
extern const VMStateDescription vmstate_snp_guest;

/* SNP ABI, ID block of SNP_LAUNCH_FINISH. */
typedef struct SnpIdBlock {
    uint8_t ld[48];
    uint8_t family_id[16];
    uint8_t image_id[16];
    uint32_t version;
    uint32_t guest_svn;
    uint64_t policy;
} QEMU_PACKED SnpIdBlock;

#define SNP_NUM_VMPCKS      4
#define SNP_VMPCK_SIZE      32

typedef enum SnpGuestState {
    SNP_GUEST_INIT,
    SNP_GUEST_LAUNCH,
    SNP_GUEST_RUNNING,
} SnpGuestState;

/* SNP ABI, "Guest Context". */
struct SnpGuest {
    uint64_t context;           /* address of the page in Context state */
    uint8_t state;              /* SnpGuestState */
    uint32_t asid;              /* 0: not activated */
    uint64_t policy;
    uint64_t ma_context;        /* of the migration agent, or ~0 */
    uint8_t ld[48];
    uint8_t imd[48];
    bool imi_en;
    bool id_block_en;
    bool author_key_en;
    bool vcek_dis;
    uint8_t vmpck[SNP_NUM_VMPCKS][SNP_VMPCK_SIZE];
    uint64_t msg_count[SNP_NUM_VMPCKS];
    uint8_t vmrk[32];
    uint8_t host_data[32];
    uint8_t id_block[sizeof(SnpIdBlock)];
    uint8_t id_key_digest[48];
    uint8_t author_key_digest[48];
    uint8_t report_id[32];
    uint8_t report_id_ma[32];
    uint8_t gosvw[16];
    uint32_t tsc_khz;
    uint64_t launch_tcb;
    QTAILQ_ENTRY(SnpGuest) next;
};

/* Bits of SnpGuest.policy */
#define SNP_POLICY_SMT              (1ULL << 16)
#define SNP_POLICY_MUST_BE_ONE      (1ULL << 17)
#define SNP_POLICY_MIGRATE_MA       (1ULL << 18)
#define SNP_POLICY_DEBUG            (1ULL << 19)
#define SNP_POLICY_SINGLE_SOCKET    (1ULL << 20)
#define SNP_POLICY_RESERVED         (~0ULL << 21)

/* Bits of SevFw.snp_config */
#define SNP_CONFIG_MASK_CHIP_ID     (1U << 0)
#define SNP_CONFIG_MASK_CHIP_KEY    (1U << 1)

/**
 * sev_fw_snp_find: find a guest by the address of its context
 * @fw: the firmware
 * @context: as in the command buffer
 * @guest: where to store the guest
 *
 * Returns: the error of the command if it is not a good address, SNP is not
 * initialized, or the page is not in the Context state.
 */
SevStatus sev_fw_snp_find(SevFw *fw, uint64_t context, SnpGuest **guest);

/* Command buffer of SNP_GUEST_REQUEST */
typedef struct SnpGuestRequestBuf {
    uint64_t gctx_paddr;
    uint64_t request_paddr;
    uint64_t response_paddr;
} QEMU_PACKED SnpGuestRequestBuf;

/**
 * sev_fw_guest_request: SNP_GUEST_REQUEST
 * @fw: the firmware
 * @buf: the command buffer
 */
SevStatus sev_fw_guest_request(SevFw *fw, void *buf);

/* SNP ABI, CPUID_FUNCTION structure. */
typedef struct SnpCpuidFunction {
    uint32_t eax_in;
    uint32_t ecx_in;
    uint64_t xcr0_in;
    uint64_t xss_in;
    uint32_t regs[4];           /* EAX, EBX, ECX, EDX */
    uint64_t reserved;
} QEMU_PACKED SnpCpuidFunction;

#define SNP_CPUID_COUNT_MAX     64

/* Processors (they are known to target specific code only) */

/**
 * sev_fw_cpus_hsave_clear: is VM_HSAVE_PA zero on all processors?
 */
bool sev_fw_cpus_hsave_clear(void);

/**
 * sev_fw_cpus_snp_enabled: is SNP on, and the same, on all processors?
 * @rmp: the RMP, active
 *
 * Returns: false if a processor has SYSCFG.SNP_EN clear, or not the same
 * SYSCFG, RMP_BASE and RMP_END as the others.
 */
bool sev_fw_cpus_snp_enabled(SnpRmp *rmp);

/**
 * sev_fw_cpu_exists: is there a processor with this APIC ID?
 * @apic_id: the APIC ID
 */
bool sev_fw_cpu_exists(uint32_t apic_id);

/**
 * sev_fw_cpu_signature: family, model and stepping as in CPUID Fn1 EAX
 */
uint32_t sev_fw_cpu_signature(void);

/**
 * sev_fw_check_cpuid: check what a guest shall be told by CPUID
 * @f: the function, in little endian
 *
 * Values that claim more than the processor has are set right in @f.
 *
 * Returns: true if there were none.
 */
bool sev_fw_check_cpuid(SnpCpuidFunction *f);

#endif /* HW_MISC_AMD_SEV_FW_INTERNAL_H */
