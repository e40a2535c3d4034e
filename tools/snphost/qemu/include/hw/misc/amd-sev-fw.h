/*
 * Firmware of the AMD security processor: SEV, SEV-ES and SEV-SNP
 *
 * The commands that a hypervisor sends through the mailbox of the security
 * processor (amd-psp.c), as in "Secure Encrypted Virtualization API"
 * (AMD 55766, here "the SEV API") and "SEV Secure Nested Paging Firmware ABI
 * Specification" (AMD 56860, here "the SNP ABI").
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_MISC_AMD_SEV_FW_H
#define HW_MISC_AMD_SEV_FW_H

#include "hw/i386/amd_iommu.h"
#include "hw/i386/snp-rmp.h"
#include "migration/vmstate.h"
#include "qemu/queue.h"

#define SEV_FW_API_MAJOR    1
#define SEV_FW_API_MINOR    55
#define SEV_FW_BUILD        21

/* The RMP has ten bits for the ASID, and the highest few are not for guests. */
#define SEV_FW_MAX_ASID     1006

/* What the security processor answers, the same for both documents. */
typedef enum SevStatus {
    SEV_STATUS_SUCCESS = 0x00,
    SEV_STATUS_INVALID_PLATFORM_STATE = 0x01,
    SEV_STATUS_INVALID_GUEST_STATE = 0x02,
    SEV_STATUS_INVALID_CONFIG = 0x03,
    SEV_STATUS_INVALID_LENGTH = 0x04,
    SEV_STATUS_POLICY_FAILURE = 0x07,
    SEV_STATUS_INACTIVE = 0x08,
    SEV_STATUS_INVALID_ADDRESS = 0x09,
    SEV_STATUS_BAD_SIGNATURE = 0x0a,
    SEV_STATUS_BAD_MEASUREMENT = 0x0b,
    SEV_STATUS_ASID_OWNED = 0x0c,
    SEV_STATUS_INVALID_ASID = 0x0d,
    SEV_STATUS_DFFLUSH_REQUIRED = 0x0f,
    SEV_STATUS_INVALID_GUEST = 0x10,
    SEV_STATUS_INVALID_COMMAND = 0x11,
    SEV_STATUS_ACTIVE = 0x12,
    SEV_STATUS_HARDWARE_PLATFORM = 0x13,
    SEV_STATUS_UNSUPPORTED = 0x15,
    SEV_STATUS_INVALID_PARAM = 0x16,
    SEV_STATUS_RESOURCE_LIMIT = 0x17,
    SEV_STATUS_INVALID_PAGE_SIZE = 0x19,
    SEV_STATUS_INVALID_PAGE_STATE = 0x1a,
    SEV_STATUS_INVALID_PAGE_OWNER = 0x1c,
    SEV_STATUS_AEAD_OFLOW = 0x1d,
    SEV_STATUS_RMP_INIT_REQUIRED = 0x20,
    SEV_STATUS_RMP_INITIALIZATION_FAILED = 0x26,
    SEV_STATUS_INVALID_KEY = 0x27,
    /* Not of the documents, nor for the mailbox: see sev_fw_continue(). */
    SEV_STATUS_PENDING = 0x10000,
} SevStatus;

typedef struct SevGuest SevGuest;
typedef struct SnpGuest SnpGuest;

/*
 * A command on memory of any length: first all of @dst is checked, then it is
 * done, in slices.
 */
typedef struct SevFwWork {
    uint32_t handle;            /* of the guest */
    bool copy;                  /* from @src; else @dst is measured */
    uint64_t src;
    uint64_t dst;
    uint32_t length;
    uint32_t checked;
    uint32_t done;
} SevFwWork;

/**
 * SevFw: state of the firmware
 * @rmp: the RMP, or %NULL on a machine that has none (no SEV-SNP then)
 * @iommu: the IOMMU, of a machine with an RMP
 * @max_asid: highest ASID that a guest may have
 *
 * Everything else is private to hw/misc/amd-sev-fw*.c.  Protected by the
 * iothread lock.  One command is processed at a time, to its end; but for the
 * few that may take long, in the write to the mailbox register.
 */
typedef struct SevFw {
    SnpRmp *rmp;
    AMDVIState *iommu;
    uint32_t max_asid;

    uint8_t sev_state;          /* SevPlatformState */
    uint8_t snp_state;          /* SevPlatformState, never WORKING */
    bool rmp_initialized;       /* since reset or the last full shutdown */
    AMDVIBuffer iommu_buffers[AMDVI_MAX_BUFFERS];   /* taken by SNP_INIT */
    bool es;                    /* CONFIG.ES */
    uint64_t tmr_base;          /* of SEV-ES, while @es */
    uint64_t tmr_size;
    uint64_t reported_tcb;      /* by SNP_CONFIG */
    uint32_t snp_config;        /* MASK_CHIP_ID, MASK_CHIP_KEY */
    uint8_t asids[SEV_FW_MAX_ASID + 1];     /* SevAsidState */
    uint8_t chip_secret[48];    /* stands for what is fused into the chip */
    QTAILQ_HEAD(, SevGuest) sev_guests;
    QTAILQ_HEAD(, SnpGuest) snp_guests;
    SevFwWork work;             /* of the command that is pending */

    /* Failure on demand, see sev_fw_set_inject(). */
    uint32_t inject_id;
    uint32_t inject_status;
    uint32_t inject_count;
} SevFw;

extern const VMStateDescription vmstate_sev_fw;

/**
 * sev_fw_init: make the firmware
 * @fw: the firmware, all zero
 *
 * The chip gets its secret here: it stays the same over sev_fw_reset().
 */
void sev_fw_init(SevFw *fw);

/**
 * sev_fw_reset: forget all guests, and be uninitialized
 * @fw: the firmware
 */
void sev_fw_reset(SevFw *fw);

/**
 * sev_fw_command: process one command
 * @fw: the firmware
 * @id: the command
 * @buf: system physical address of the command buffer; the C-bit is ignored
 *
 * Context: iothread lock held.  What the command buffer says, and what
 * it points to, is not trusted.
 *
 * Returns: the status for the mailbox, or SEV_STATUS_PENDING if
 * sev_fw_continue() has to be called.
 */
SevStatus sev_fw_command(SevFw *fw, uint32_t id, uint64_t buf);

/**
 * sev_fw_continue: process some more of a command that takes long
 * @fw: the firmware, whose last command is pending
 *
 * It takes a few milliseconds.  Let others have the iothread lock before.
 *
 * Returns: as sev_fw_command()
 */
SevStatus sev_fw_continue(SevFw *fw);

/**
 * sev_fw_set_inject: let the next commands of one kind fail
 * @fw: the firmware
 * @id: the command
 * @status: what they shall return
 * @count: how many of them; 0 ends it
 *
 * A command that fails on demand does nothing else.
 */
void sev_fw_set_inject(SevFw *fw, uint32_t id, uint32_t status,
                       uint32_t count);

#endif /* HW_MISC_AMD_SEV_FW_H */
