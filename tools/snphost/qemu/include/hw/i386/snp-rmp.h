/*
 * AMD SEV-SNP reverse map table (RMP)
 *
 * The RMP is a table in system memory with one entry for each 4K page that
 * it covers.  It says who owns the page: the hypervisor, the security
 * processor's firmware, or one guest at one guest physical address.  This
 * object is the one place that reads and writes it; the CPUs (instructions
 * and page walk), the security processor and the monitor are its users.
 *
 * See AMD64 Architecture Programmer's Manual (APM), volume 2, section 15.36.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_I386_SNP_RMP_H
#define HW_I386_SNP_RMP_H

#include "hw/qdev-core.h"
#include "exec/memory.h"
#include "hw/core/cpu.h"
#include "qemu/notify.h"
#include "qemu/thread.h"
#include "qom/object.h"

#define TYPE_SNP_RMP "snp-rmp"
OBJECT_DECLARE_SIMPLE_TYPE(SnpRmp, SNP_RMP)

/* Processor bookkeeping between RMP_BASE and the entry of page 0. */
#define SNP_RMP_BOOKKEEPING     0x4000
#define SNP_RMP_ENTRY_SIZE      16

#define SNP_RMP_PAGE_SIZE       0x1000ULL
#define SNP_RMP_LARGE_SIZE      0x200000ULL
#define SNP_RMP_LARGE_PAGES     (SNP_RMP_LARGE_SIZE / SNP_RMP_PAGE_SIZE)

#define SNP_NUM_VMPLS           4

/* An entry has ten bits for the ASID. */
#define SNP_RMP_ASIDS           1024

/* ASIDs of encrypted guests; those below the second are for SEV-ES and SNP. */
#define SNP_MAX_ASID            509
#define SNP_MIN_SEV_ASID        100

/* VMPL permissions: RMPADJUST's target permission mask, and perms[] below. */
#define SNP_PERM_READ           0x1
#define SNP_PERM_WRITE          0x2
#define SNP_PERM_EXEC_USER      0x4
#define SNP_PERM_EXEC_SUPER     0x8
#define SNP_PERM_SSS            0x10
#define SNP_PERM_ALL            0x0f

/* Results of RMPUPDATE and its relatives, in rAX. */
#define SNP_RMP_OK              0
#define SNP_RMP_FAIL_INPUT      1
#define SNP_RMP_FAIL_PERMISSION 2
#define SNP_RMP_FAIL_INUSE      3
#define SNP_RMP_FAIL_OVERLAP    4
#define SNP_RMP_FAIL_SIZEMISMATCH 6
#define SNP_RMP_FAIL_BADADDR    7

/**
 * SnpRmpEntry: one RMP entry, decoded
 * @assigned: the page does not belong to the hypervisor
 * @size_2m: the page is (part of) a 2M page of the RMP
 * @immutable: RMPUPDATE and PSMASH must not change the entry
 * @vmsa: the page is a VMSA page
 * @validated: the guest has validated the page
 * @in_use: how many CPUs are inside a guest on the VMSA or VMCB in this page
 * @gpa: guest physical address, a multiple of 4096
 * @asid: owner; 0 and @assigned is a page of the firmware
 * @perms: permissions of each VMPL, SNP_PERM_*
 *
 * All zero is a page of the hypervisor.
 */
typedef struct SnpRmpEntry {
    bool assigned;
    bool size_2m;
    bool immutable;
    bool vmsa;
    bool validated;
    uint16_t in_use;
    uint64_t gpa;
    uint32_t asid;
    uint8_t perms[SNP_NUM_VMPLS];
} SnpRmpEntry;

struct SnpRmp {
    DeviceState parent_obj;

    /*
     * Stands for the lock that the manual gives to each RMP entry.  A leaf:
     * nothing else is taken while it is held, guest memory accesses that may
     * fault or reach a device included.
     */
    QemuMutex lock;

    /* Properties: what "firmware" puts into RMP_BASE and RMP_END at reset. */
    uint64_t reset_base;
    uint64_t reset_end;

    /* The rest is protected by @lock; @active may be read without. */
    hwaddr base;
    hwaddr end;
    bool active;

    /* While active: the table in RAM, without the bookkeeping area. */
    MemoryRegion *mr;
    uint8_t *table;
    uint64_t num_entries;
    /* Assigned 4K pages in each 2M of system memory, and of each ASID. */
    uint16_t *assigned_2m;
    uint32_t asid_pages[SNP_RMP_ASIDS];

    /* Failures on demand, see snp_rmp_set_inject(). */
    hwaddr inject_start;
    hwaddr inject_end;
    uint32_t inject_result;
    uint64_t inject_count;

    /* Property exit-report, in snp-rmp-debug.c. */
    char *exit_report;
    Notifier exit_notifier;
};

/**
 * snp_rmp_lock: begin a read-modify-write of RMP entries
 * @rmp: the RMP
 *
 * Any thread, with or without the iothread lock.  What is read or written
 * under one hold of the lock is seen by everybody else as one step.
 */
void snp_rmp_lock(SnpRmp *rmp);

/**
 * snp_rmp_unlock: end what snp_rmp_lock() began
 * @rmp: the RMP
 */
void snp_rmp_unlock(SnpRmp *rmp);

/**
 * snp_rmp_get: read the RMP entry of a page
 * @rmp: the RMP, locked by the caller
 * @spa: system physical address, any byte of the page
 * @e: where to store the entry
 *
 * For each of the 512 4K pages in a 2M page of the RMP this gives an entry
 * with @e->size_2m set and the @e->gpa of the 4K page.
 *
 * Returns: false if the page is not covered by the RMP, or the RMP is not
 * active; @e is then all zero.
 */
bool snp_rmp_get(SnpRmp *rmp, hwaddr spa, SnpRmpEntry *e);

/**
 * snp_rmp_put: write the RMP entry of a page
 * @rmp: the RMP, active and locked by the caller
 * @spa: system physical address, covered by the RMP; if @e->size_2m is set
 *       @e is written for the whole 2M page
 * @e: the entry
 *
 * Nothing is checked here, and no TLB is flushed: call
 * snp_rmp_flush_tlbs() after the lock has been dropped.
 */
void snp_rmp_put(SnpRmp *rmp, hwaddr spa, const SnpRmpEntry *e);

/**
 * snp_rmp_asid_pages: how many 4K pages does an ASID have?
 * @rmp: the RMP, active and locked by the caller
 * @asid: the ASID
 */
uint32_t snp_rmp_asid_pages(SnpRmp *rmp, uint32_t asid);

/**
 * snp_rmp_recount: count anew which pages are assigned, and to whom
 * @rmp: the RMP, active and locked by the caller
 *
 * Until the firmware has protected the table software may write to it.
 */
void snp_rmp_recount(SnpRmp *rmp);

/**
 * snp_rmp_covers: is a page covered by the active RMP?
 * @rmp: the RMP, locked by the caller
 * @spa: system physical address
 */
bool snp_rmp_covers(SnpRmp *rmp, hwaddr spa);

/**
 * snp_rmp_host_writable: may the hypervisor write to a page?
 * @rmp: the RMP, active; no lock needed
 * @spa: system physical address
 * @page_size: size of the page that the translation uses, in bytes; what is
 *             larger than 2M counts as 2M
 *
 * That is, does all of the page belong to it?  A change by another thread is
 * seen at the latest once that has flushed the TLB of the caller.
 */
bool snp_rmp_host_writable(SnpRmp *rmp, hwaddr spa, uint64_t page_size);

/**
 * snp_rmp_active: has SYSCFG.SNP_EN been set?
 * @rmp: the RMP
 *
 * If so RMP checks are done.  Any thread, no lock needed.
 */
bool snp_rmp_active(SnpRmp *rmp);

/**
 * snp_rmp_configure: set the place of the table
 * @rmp: the RMP
 * @base: MSR RMP_BASE, the first byte of the bookkeeping area
 * @end: MSR RMP_END, the last byte of the table
 *
 * Without effect while the RMP is active, as the MSRs then are locked.
 */
void snp_rmp_configure(SnpRmp *rmp, hwaddr base, hwaddr end);

/**
 * snp_rmp_set_active: begin or end RMP checks
 * @rmp: the RMP
 * @active: the new state; once set it is only cleared by reset
 *
 * TLBs must be flushed by the caller.  May be called from a CPU's thread.
 *
 * Returns: false if @active was asked for and the table, where
 * snp_rmp_configure() has put it, is not wholly in RAM.
 */
bool snp_rmp_set_active(SnpRmp *rmp, bool active);

/**
 * snp_rmp_flush_tlbs: make a change of the RMP visible to all CPUs
 * @rmp: the RMP
 * @src: the CPU on whose thread this is called from within an instruction,
 *       which must be the last of its translation block; else %NULL
 *
 * With @src, no CPU uses an old translation once the instruction of @src has
 * completed.  Without, no CPU uses one after it next leaves its translation
 * block; in an exclusive section (async_safe_run_on_cpu()) that is at once,
 * because no CPU runs before it has flushed.
 *
 * Called with the RMP unlocked.
 */
void snp_rmp_flush_tlbs(SnpRmp *rmp, CPUState *src);

/**
 * snp_rmp_set_inject: let the next RMPUPDATEs of some pages fail
 * @rmp: the RMP
 * @start: first system physical address
 * @end: last system physical address
 * @result: what they shall return, SNP_RMP_FAIL_*
 * @count: how many of them; 0 ends it
 */
void snp_rmp_set_inject(SnpRmp *rmp, hwaddr start, hwaddr end,
                        uint32_t result, uint64_t count);

/**
 * snp_rmp_inject_fail: shall this RMPUPDATE fail on demand?
 * @rmp: the RMP, locked by the caller
 * @spa: the page that is to be updated
 *
 * Called once for each RMPUPDATE whose input is well formed.
 *
 * Returns: the result to fail with, or SNP_RMP_OK.
 */
uint32_t snp_rmp_inject_fail(SnpRmp *rmp, hwaddr spa);

/**
 * snp_rmp_debug_class_init: add the properties for tests
 * @oc: the class of the RMP
 *
 * "exit-report" is the file for a report when QEMU exits; "rmpupdate-fail",
 * FIRST-LAST:RESULT:COUNT, is snp_rmp_set_inject() for the monitor.
 */
void snp_rmp_debug_class_init(ObjectClass *oc);

#endif /* HW_I386_SNP_RMP_H */
