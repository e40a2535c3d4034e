/*
 * AMD SEV-SNP reverse map table (RMP): a look at it, and failures on demand
 *
 * For people and test programs outside of the machine: the monitor command
 * "info rmp", a report when QEMU exits, and RMPUPDATEs that fail.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "qobject/qdict.h"
#include "hw/i386/snp-rmp.h"
#include "monitor/hmp-target.h"
#include "monitor/monitor.h"
#include "system/system.h"

/*
 * Page states as the SEV-SNP firmware ABI names them.  The states of pages
 * that wait to be swapped in are not told from those of a guest's pages.
 */
typedef enum RmpState {
    RMP_HYPERVISOR,
    RMP_HV_FIXED,
    RMP_FIRMWARE,
    RMP_RECLAIM,
    RMP_CONTEXT,
    RMP_METADATA,
    RMP_PRE_GUEST,
    RMP_GUEST_INVALID,
    RMP_GUEST_VALID,
    RMP_NUM_STATES,
} RmpState;

static const char *const rmp_state_names[RMP_NUM_STATES] = {
    [RMP_HYPERVISOR]    = "hypervisor",
    [RMP_HV_FIXED]      = "hv-fixed",
    [RMP_FIRMWARE]      = "firmware",
    [RMP_RECLAIM]       = "reclaim",
    [RMP_CONTEXT]       = "context",
    [RMP_METADATA]      = "metadata",
    [RMP_PRE_GUEST]     = "pre-guest",
    [RMP_GUEST_INVALID] = "guest-invalid",
    [RMP_GUEST_VALID]   = "guest-valid",
};

static RmpState rmp_state(const SnpRmpEntry *e)
{
    if (!e->assigned) {
        return e->immutable ? RMP_HV_FIXED : RMP_HYPERVISOR;
    }
    if (!e->asid) {
        if (!e->immutable) {
            return RMP_RECLAIM;
        }
        return e->vmsa ? RMP_CONTEXT : e->gpa ? RMP_METADATA : RMP_FIRMWARE;
    }
    if (e->validated) {
        return RMP_GUEST_VALID;
    }
    return e->immutable ? RMP_PRE_GUEST : RMP_GUEST_INVALID;
}

/*
 * A page is left behind if neither the hypervisor has it nor the firmware for
 * its own use: a guest still does, or the hypervisor forgot to take it back.
 */
static bool rmp_state_is_left(RmpState state)
{
    return state >= RMP_RECLAIM;
}

/* Does @e go on where the range from @first_spa to @spa, with @first, ends? */
static bool rmp_same_range(const SnpRmpEntry *first, uint64_t first_spa,
                           const SnpRmpEntry *e, uint64_t spa)
{
    return rmp_state(first) == rmp_state(e) && first->asid == e->asid &&
           first->size_2m == e->size_2m && first->vmsa == e->vmsa &&
           first->in_use == e->in_use &&
           (first->asid ? e->gpa - first->gpa == spa - first_spa
                        : e->gpa == first->gpa);
}

static void rmp_print_range(GString *out, const SnpRmpEntry *e,
                            uint64_t start, uint64_t end)
{
    g_string_append_printf(out, "  0x%012" PRIx64 "-0x%012" PRIx64 " %s",
                           start, end - 1, rmp_state_names[rmp_state(e)]);
    if (e->asid) {
        g_string_append_printf(out, " asid %" PRIu32 " gpa 0x%" PRIx64,
                               e->asid, e->gpa);
    }
    g_string_append_printf(out, "%s%s%s\n", e->size_2m ? " 2M" : "",
                           e->vmsa ? " vmsa" : "", e->in_use ? " in-use" : "");
}

static GString *rmp_report(SnpRmp *rmp, bool verbose)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GString) ranges = g_string_new(NULL);
    uint64_t count[RMP_NUM_STATES] = { 0 };
    uint64_t in_use = 0, left = 0, first_spa = 0, spa, end;
    SnpRmpEntry first = { 0 }, e;
    int i;

    /* All of it under one hold of the lock: a report of one moment. */
    snp_rmp_lock(rmp);
    if (!rmp->active) {
        snp_rmp_unlock(rmp);
        g_string_append(out, "RMP: not active\nleft pages: 0\n");
        return out;
    }
    end = rmp->num_entries * SNP_RMP_PAGE_SIZE;
    g_string_append_printf(out, "RMP: 0x%" HWADDR_PRIx "-0x%" HWADDR_PRIx
                           ", covers 0x0-0x%" PRIx64 "\n",
                           rmp->base, rmp->end, end - 1);
    for (spa = 0; spa < end; spa += SNP_RMP_PAGE_SIZE) {
        RmpState state;

        snp_rmp_get(rmp, spa, &e);
        state = rmp_state(&e);
        count[state]++;
        in_use += e.in_use != 0;
        left += rmp_state_is_left(state);
        if (!rmp_same_range(&first, first_spa, &e, spa)) {
            if (rmp_state(&first) != RMP_HYPERVISOR) {
                rmp_print_range(ranges, &first, first_spa, spa);
            }
            first = e;
            first_spa = spa;
        }
    }
    snp_rmp_unlock(rmp);
    if (rmp_state(&first) != RMP_HYPERVISOR) {
        rmp_print_range(ranges, &first, first_spa, end);
    }

    for (i = 0; i < RMP_NUM_STATES; i++) {
        g_string_append_printf(out, "%s pages: %" PRIu64 "\n",
                               rmp_state_names[i], count[i]);
    }
    g_string_append_printf(out, "pages in use: %" PRIu64 "\n", in_use);
    g_string_append_printf(out, "left pages: %" PRIu64 "\n", left);
    if (verbose) {
        g_string_append_len(out, ranges->str, ranges->len);
    }
    return out;
}

void hmp_info_rmp(Monitor *mon, const QDict *qdict)
{
    Object *obj = object_resolve_path_type("", TYPE_SNP_RMP, NULL);
    g_autoptr(GString) out = NULL;

    if (!obj) {
        monitor_printf(mon, "This machine has no RMP (see -machine q35,help: "
                       "snp-host)\n");
        return;
    }
    out = rmp_report(SNP_RMP(obj), qdict_get_try_bool(qdict, "verbose", false));
    monitor_puts(mon, out->str);
}

static void rmp_exit(Notifier *notifier, void *data)
{
    SnpRmp *rmp = container_of(notifier, SnpRmp, exit_notifier);
    g_autoptr(GString) out = rmp_report(rmp, true);
    g_autoptr(GError) err = NULL;

    if (!strcmp(rmp->exit_report, "-")) {
        fputs(out->str, stderr);
    } else if (!g_file_set_contents(rmp->exit_report, out->str, out->len,
                                    &err)) {
        error_report("exit-report: %s", err->message);
    }
}

static char *rmp_get_exit_report(Object *obj, Error **errp)
{
    return g_strdup(SNP_RMP(obj)->exit_report);
}

static void rmp_set_exit_report(Object *obj, const char *value, Error **errp)
{
    SnpRmp *rmp = SNP_RMP(obj);

    if (rmp->exit_report) {
        qemu_remove_exit_notifier(&rmp->exit_notifier);
        g_free(rmp->exit_report);
        rmp->exit_report = NULL;
    }
    if (*value) {
        rmp->exit_report = g_strdup(value);
        rmp->exit_notifier.notify = rmp_exit;
        qemu_add_exit_notifier(&rmp->exit_notifier);
    }
}

static char *rmp_get_fail(Object *obj, Error **errp)
{
    SnpRmp *rmp = SNP_RMP(obj);
    char *s;

    snp_rmp_lock(rmp);
    s = g_strdup_printf("0x%" HWADDR_PRIx "-0x%" HWADDR_PRIx
                        ":%" PRIu32 ":%" PRIu64,
                        rmp->inject_start, rmp->inject_end,
                        rmp->inject_result, rmp->inject_count);
    snp_rmp_unlock(rmp);
    return s;
}

static void rmp_set_fail(Object *obj, const char *value, Error **errp)
{
    uint64_t start, end, count;
    unsigned int result;
    const char *p = value;

    if (qemu_strtou64(p, &p, 0, &start) || *p++ != '-' ||
        qemu_strtou64(p, &p, 0, &end) || *p++ != ':' ||
        qemu_strtoui(p, &p, 0, &result) || *p++ != ':' ||
        qemu_strtou64(p, &p, 0, &count) || *p) {
        error_setg(errp, "'%s' is not FIRST-LAST:RESULT:COUNT", value);
        return;
    }
    if (start > end || !result || result > SNP_RMP_FAIL_BADADDR) {
        error_setg(errp, "'%s': empty range, or RESULT not in 1 to %d",
                   value, SNP_RMP_FAIL_BADADDR);
        return;
    }
    snp_rmp_set_inject(SNP_RMP(obj), start, end, result, count);
}

void snp_rmp_debug_class_init(ObjectClass *oc)
{
    object_class_property_add_str(oc, "exit-report", rmp_get_exit_report,
                                  rmp_set_exit_report);
    object_class_property_set_description(oc, "exit-report",
        "File for a report of the page states when QEMU exits, - is stderr");
    object_class_property_add_str(oc, "rmpupdate-fail", rmp_get_fail,
                                  rmp_set_fail);
    object_class_property_set_description(oc, "rmpupdate-fail",
        "FIRST-LAST:RESULT:COUNT, the next COUNT RMPUPDATEs of pages in that "
        "range of addresses return RESULT");
}
