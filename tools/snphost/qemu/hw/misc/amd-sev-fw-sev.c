/*
 * Firmware of the AMD security processor: the SEV API
 *
 * The platform, and SEV and SEV-ES guests.  There are no certificates (PEK,
 * PDH), so nothing that needs a session with a guest owner or another platform:
 * a guest is always launched without a session, its transport keys are
 * zero then, and it is neither sent nor received.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/guest-random.h"
#include "qemu/range.h"
#include "qemu/units.h"
#include "amd-sev-fw-internal.h"

#define SEV_MAX_GUESTS          1024

#define SEV_INIT_ES             (1U << 0)
#define SEV_NV_SIZE             (32 * KiB)
#define SEV_TMR_SIZE            (1 * MiB)
#define SEV_TMR_SIZE_SNP        (2 * MiB)

#define SEV_POLICY_NODBG        (1U << 0)
#define SEV_POLICY_NOKS         (1U << 1)
#define SEV_POLICY_ES           (1U << 2)
#define SEV_POLICY_RESERVED     0xffc0U

#define SEV_VMSA_SIZE           4096
#define SEV_ALIGN               16

/* What an HMAC with the transport integrity key is for. */
#define SEV_CONTEXT_SECRET      0x01
#define SEV_CONTEXT_MEASURE     0x04

/* A slice of work is over in a few milliseconds. */
#define SEV_SLICE_CHECK         (64 * MiB)
#define SEV_SLICE               (256 * KiB)

/* Without a session. */
static const uint8_t sev_tik[16];
static const uint8_t sev_tek[SEV_AES128_KEY_SIZE];

typedef struct SevHandleBuf {
    uint32_t handle;
} QEMU_PACKED SevHandleBuf;

static SevGuest *sev_find(SevFw *fw, uint32_t handle)
{
    SevGuest *guest;

    QTAILQ_FOREACH(guest, &fw->sev_guests, next) {
        if (guest->handle == handle) {
            return guest;
        }
    }
    return NULL;
}

/*
 * What most guest commands begin with.  Each has its own order of the checks
 * that follow; it decides what is reported if more than one thing is wrong.
 */
static SevStatus sev_get(SevFw *fw, uint32_t handle_le, SevGuest **guest)
{
    if (fw->sev_state != SEV_PLATFORM_WORKING) {
        return SEV_STATUS_INVALID_PLATFORM_STATE;
    }
    *guest = sev_find(fw, le32_to_cpu(handle_le));
    return *guest ? SEV_STATUS_SUCCESS : SEV_STATUS_INVALID_GUEST;
}

static void sev_remove(SevFw *fw, SevGuest *guest)
{
    sev_fw_asid_release(fw, guest->asid);
    QTAILQ_REMOVE(&fw->sev_guests, guest, next);
    g_free(guest);
}

void sev_fw_sev_drop(SevFw *fw)
{
    SevGuest *guest, *tmp;

    QTAILQ_FOREACH_SAFE(guest, &fw->sev_guests, next, tmp) {
        sev_remove(fw, guest);
    }
}

/* Platform */

typedef struct SevInitBuf {
    uint32_t flags;
    uint32_t reserved;
    uint64_t tmr_paddr;
    uint32_t tmr_length;
} QEMU_PACKED SevInitBuf;

typedef struct SevInitExBuf {
    uint32_t length;
    uint32_t flags;
    uint64_t tmr_paddr;
    uint32_t tmr_length;
    uint32_t reserved;
    uint64_t nv_paddr;
    uint32_t nv_length;
} QEMU_PACKED SevInitExBuf;

static SevStatus sev_check_tmr(SevFw *fw, uint64_t base, uint32_t size)
{
    /* Once there is an RMP the region is one large page of it. */
    uint64_t want = fw->rmp_initialized ? SEV_TMR_SIZE_SNP : SEV_TMR_SIZE;

    if (base & (want - 1)) {
        return SEV_STATUS_INVALID_ADDRESS;
    }
    if (size != want) {
        return SEV_STATUS_INVALID_LENGTH;
    }
    return sev_fw_check_writable(fw, base, size);
}

static SevStatus sev_do_init(SevFw *fw, uint32_t flags, uint64_t tmr_paddr,
                             uint32_t tmr_length)
{
    if (flags & ~SEV_INIT_ES) {
        return SEV_STATUS_INVALID_CONFIG;
    }
    /* With SYSCFG.SNP_EN, SNP must have been initialized first. */
    if (fw->rmp && snp_rmp_active(fw->rmp) && !fw->rmp_initialized) {
        return SEV_STATUS_INVALID_PLATFORM_STATE;
    }
    tmr_paddr &= ~SEV_FW_C_BIT;
    if (flags & SEV_INIT_ES) {
        SevStatus status = sev_check_tmr(fw, tmr_paddr, tmr_length);

        if (status) {
            return status;
        }
        fw->tmr_base = tmr_paddr;
        fw->tmr_size = tmr_length;
        fw->es = true;
    }
    if (fw->snp_state == SEV_PLATFORM_UNINIT) {
        sev_fw_asids_reset(fw);
    }
    fw->sev_state = SEV_PLATFORM_INIT;
    return SEV_STATUS_SUCCESS;
}

static SevStatus sev_init(SevFw *fw, void *buf)
{
    SevInitBuf *b = buf;

    if (fw->sev_state != SEV_PLATFORM_UNINIT) {
        return SEV_STATUS_INVALID_PLATFORM_STATE;
    }
    if (b->reserved) {
        return SEV_STATUS_INVALID_CONFIG;
    }
    return sev_do_init(fw, le32_to_cpu(b->flags), le64_to_cpu(b->tmr_paddr),
                       le32_to_cpu(b->tmr_length));
}

/*
 * The memory in place of flash is checked, but as there are no persistent keys
 * nothing is kept in it.
 */
static SevStatus sev_init_ex(SevFw *fw, void *buf)
{
    SevInitExBuf *b = buf;
    uint64_t nv_paddr = le64_to_cpu(b->nv_paddr) & ~SEV_FW_C_BIT;
    SevStatus status;

    if (fw->sev_state != SEV_PLATFORM_UNINIT) {
        return SEV_STATUS_INVALID_PLATFORM_STATE;
    }
    if (b->reserved) {
        return SEV_STATUS_INVALID_CONFIG;
    }
    if (le32_to_cpu(b->length) != sizeof(*b)) {
        return SEV_STATUS_INVALID_LENGTH;
    }
    if (nv_paddr) {
        if (nv_paddr & (SEV_FW_PAGE_SIZE - 1)) {
            return SEV_STATUS_INVALID_ADDRESS;
        }
        if (le32_to_cpu(b->nv_length) != SEV_NV_SIZE) {
            return SEV_STATUS_INVALID_LENGTH;
        }
        status = sev_fw_check_writable(fw, nv_paddr, SEV_NV_SIZE);
        if (status) {
            return status;
        }
        if (le32_to_cpu(b->flags) & SEV_INIT_ES) {
            uint64_t tmr = le64_to_cpu(b->tmr_paddr) & ~SEV_FW_C_BIT;
            uint32_t len = le32_to_cpu(b->tmr_length);

            if (len && ranges_overlap(nv_paddr, SEV_NV_SIZE, tmr, len)) {
                return SEV_STATUS_INVALID_ADDRESS;
            }
        }
    }
    return sev_do_init(fw, le32_to_cpu(b->flags), le64_to_cpu(b->tmr_paddr),
                       le32_to_cpu(b->tmr_length));
}

static SevStatus sev_shutdown(SevFw *fw, void *buf)
{
    sev_fw_sev_drop(fw);
    fw->sev_state = SEV_PLATFORM_UNINIT;
    fw->es = false;
    return SEV_STATUS_SUCCESS;
}

static SevStatus sev_platform_reset(SevFw *fw, void *buf)
{
    return fw->sev_state == SEV_PLATFORM_UNINIT ?
           SEV_STATUS_SUCCESS : SEV_STATUS_INVALID_PLATFORM_STATE;
}

typedef struct SevPlatformStatusBuf {
    uint8_t api_major;
    uint8_t api_minor;
    uint8_t state;
    uint8_t owner;
    uint32_t config_build;      /* CONFIG.ES is bit 0, BUILD bits 31:24 */
    uint32_t guest_count;
} QEMU_PACKED SevPlatformStatusBuf;

static SevStatus sev_platform_status(SevFw *fw, void *buf)
{
    SevPlatformStatusBuf *b = buf;
    uint32_t count = 0;
    SevGuest *guest;

    QTAILQ_FOREACH(guest, &fw->sev_guests, next) {
        count++;
    }
    memset(b, 0, sizeof(*b));
    b->api_major = SEV_FW_API_MAJOR;
    b->api_minor = SEV_FW_API_MINOR;
    b->state = fw->sev_state;
    b->config_build = cpu_to_le32((uint32_t)SEV_FW_BUILD << 24 | fw->es);
    b->guest_count = cpu_to_le32(count);
    return SEV_STATUS_SUCCESS;
}

/* New keys: there are none, so they are as new as can be. */
static SevStatus sev_key_gen(SevFw *fw, void *buf)
{
    return fw->sev_state == SEV_PLATFORM_INIT ?
           SEV_STATUS_SUCCESS : SEV_STATUS_INVALID_PLATFORM_STATE;
}

static SevStatus sev_unsupported(SevFw *fw, void *buf)
{
    return SEV_STATUS_UNSUPPORTED;
}

static SevStatus sev_nop(SevFw *fw, void *buf)
{
    return SEV_STATUS_SUCCESS;
}

typedef struct SevGetIdBuf {
    uint64_t paddr;
    uint32_t length;
} QEMU_PACKED SevGetIdBuf;

static SevStatus sev_get_id(SevFw *fw, void *buf)
{
    SevGetIdBuf *b = buf;
    uint32_t length = le32_to_cpu(b->length);
    uint8_t id[64];
    SevStatus status;

    b->length = cpu_to_le32(sizeof(id));
    if (length < sizeof(id)) {
        return SEV_STATUS_INVALID_LENGTH;
    }
    status = sev_fw_check_writable(fw, le64_to_cpu(b->paddr), length);
    if (status) {
        return status;
    }
    sev_fw_chip_id(fw, id);
    return sev_fw_write(fw, le64_to_cpu(b->paddr), id, sizeof(id));
}

/* Guests */

static SevStatus sev_decommission(SevFw *fw, void *buf)
{
    SevHandleBuf *b = buf;
    SevGuest *guest;
    SevStatus status = sev_get(fw, b->handle, &guest);

    if (status) {
        return status;
    }
    if (guest->asid) {
        return SEV_STATUS_ACTIVE;
    }
    sev_remove(fw, guest);
    if (QTAILQ_EMPTY(&fw->sev_guests)) {
        fw->sev_state = SEV_PLATFORM_INIT;
    }
    return SEV_STATUS_SUCCESS;
}

static SevStatus sev_do_activate(SevFw *fw, SevGuest *guest, uint32_t asid,
                                 bool again)
{
    SevStatus status = sev_fw_asid_activate(fw, asid, guest->asid, again,
                                            guest->state == SEV_GUEST_RUNNING);

    if (!status) {
        guest->asid = asid;
    }
    return status;
}

typedef struct SevActivateBuf {
    uint32_t handle;
    uint32_t asid;
} QEMU_PACKED SevActivateBuf;

static SevStatus sev_activate(SevFw *fw, void *buf)
{
    SevActivateBuf *b = buf;
    SevGuest *guest;
    SevStatus status = sev_get(fw, b->handle, &guest);

    return status ?: sev_do_activate(fw, guest, le32_to_cpu(b->asid), false);
}

typedef struct SevActivateExBuf {
    uint32_t length;
    uint32_t handle;
    uint32_t asid;
    uint32_t numids;
    uint64_t ids_paddr;
} QEMU_PACKED SevActivateExBuf;

static SevStatus sev_activate_ex(SevFw *fw, void *buf)
{
    SevActivateExBuf *b = buf;
    SevGuest *guest;
    SevStatus status;

    if (fw->sev_state == SEV_PLATFORM_WORKING &&
        le32_to_cpu(b->length) != sizeof(*b)) {
        return SEV_STATUS_INVALID_PARAM;
    }
    status = sev_get(fw, b->handle, &guest);
    if (!status) {
        status = sev_fw_check_apic_ids(fw, le64_to_cpu(b->ids_paddr),
                                       le32_to_cpu(b->numids));
    }
    return status ?: sev_do_activate(fw, guest, le32_to_cpu(b->asid), true);
}

static SevStatus sev_deactivate(SevFw *fw, void *buf)
{
    SevHandleBuf *b = buf;
    SevGuest *guest;
    SevStatus status = sev_get(fw, b->handle, &guest);

    if (status) {
        return status;
    }
    if (!guest->asid) {
        return SEV_STATUS_INACTIVE;
    }
    sev_fw_asid_release(fw, guest->asid);
    guest->asid = 0;
    return SEV_STATUS_SUCCESS;
}

typedef struct SevGuestStatusBuf {
    uint32_t handle;
    uint32_t policy;
    uint32_t asid;
    uint8_t state;
} QEMU_PACKED SevGuestStatusBuf;

static SevStatus sev_guest_status(SevFw *fw, void *buf)
{
    SevGuestStatusBuf *b = buf;
    SevGuest *guest;

    if (fw->sev_state == SEV_PLATFORM_UNINIT) {
        return SEV_STATUS_INVALID_PLATFORM_STATE;
    }
    guest = sev_find(fw, le32_to_cpu(b->handle));
    b->state = guest ? guest->state : SEV_GUEST_UNINIT;
    b->asid = cpu_to_le32(guest ? guest->asid : 0);
    b->policy = cpu_to_le32(guest ? guest->policy : 0);
    return SEV_STATUS_SUCCESS;
}

/* Work that may be long */

static SevStatus sev_measure(SevFw *fw, SevGuest *guest, uint64_t pa,
                             uint32_t length)
{
    SevStatus status = SEV_STATUS_SUCCESS;

    while (!status && length) {
        uint8_t data[4096];
        uint32_t n = MIN(length, sizeof(data));

        status = sev_fw_read(fw, pa, data, n);
        if (!status) {
            sev_sha256_update(&guest->ld, data, n);
        }
        pa += n;
        length -= n;
    }
    return status;
}

SevStatus sev_fw_continue(SevFw *fw)
{
    SevFwWork *w = &fw->work;
    SevGuest *guest = sev_find(fw, w->handle);
    SevStatus status;
    uint32_t n;

    /*
     * A page that could be written stays so: only the firmware takes one out
     * of the states in which it can.
     */
    n = MIN(w->length - w->checked, SEV_SLICE_CHECK);
    status = sev_fw_check_writable(fw, w->dst + w->checked, n);
    if (status) {
        return status;
    }
    w->checked += n;
    if (w->checked < w->length) {
        return SEV_STATUS_PENDING;
    }

    if (!guest || !guest->asid) {
        return SEV_STATUS_INACTIVE;
    }
    n = MIN(w->length - w->done, SEV_SLICE);
    status = w->copy ?
             sev_fw_copy(fw, w->dst + w->done, w->src + w->done, n) :
             sev_measure(fw, guest, w->dst + w->done, n);
    if (status) {
        return status;
    }
    w->done += n;
    return w->done < w->length ? SEV_STATUS_PENDING : SEV_STATUS_SUCCESS;
}

/* Begin to copy to @dst or to measure it; nothing is done if not all can be. */
static SevStatus sev_begin(SevFw *fw, const SevGuest *guest, bool copy,
                           uint64_t dst, uint64_t src, uint32_t length)
{
    SevStatus status = sev_fw_check_range(fw, dst, length);

    if (!status && copy) {
        status = sev_fw_check_range(fw, src, length);
    }
    if (status) {
        return status;
    }
    fw->work = (SevFwWork) {
        .handle = guest->handle,
        .copy = copy,
        .dst = dst,
        .src = src,
        .length = length,
    };
    return sev_fw_continue(fw);
}

typedef struct SevCopyBuf {
    uint32_t handle;
    uint32_t length;
    uint64_t src_paddr;
    uint64_t dst_paddr;
} QEMU_PACKED SevCopyBuf;

static SevStatus sev_copy(SevFw *fw, void *buf)
{
    SevCopyBuf *b = buf;
    uint64_t src = le64_to_cpu(b->src_paddr) & ~SEV_FW_C_BIT;
    uint64_t dst = le64_to_cpu(b->dst_paddr) & ~SEV_FW_C_BIT;
    uint32_t length = le32_to_cpu(b->length);
    SevGuest *guest;
    SevStatus status = sev_get(fw, b->handle, &guest);

    if (status) {
        return status;
    }
    if (!guest->asid) {
        return SEV_STATUS_INACTIVE;
    }
    if (!length || length % SEV_ALIGN) {
        return SEV_STATUS_INVALID_LENGTH;
    }
    if (src % SEV_ALIGN || dst % SEV_ALIGN) {
        return SEV_STATUS_INVALID_ADDRESS;
    }
    return sev_begin(fw, guest, true, dst, src, length);
}

/* Launch */

typedef struct SevLaunchStartBuf {
    uint32_t handle;
    uint32_t policy;
    uint64_t dh_cert_paddr;
    uint32_t dh_cert_len;
    uint32_t reserved;
    uint64_t session_paddr;
    uint32_t session_len;
} QEMU_PACKED SevLaunchStartBuf;

static bool sev_policy_version_ok(uint32_t policy)
{
    return extract32(policy, 16, 8) < SEV_FW_API_MAJOR ||
           (extract32(policy, 16, 8) == SEV_FW_API_MAJOR &&
            extract32(policy, 24, 8) <= SEV_FW_API_MINOR);
}

static SevStatus sev_launch_start(SevFw *fw, void *buf)
{
    SevLaunchStartBuf *b = buf;
    uint32_t policy = le32_to_cpu(b->policy);
    uint32_t handle = 1;
    SevGuest *guest;

    if (fw->sev_state == SEV_PLATFORM_UNINIT) {
        return SEV_STATUS_INVALID_PLATFORM_STATE;
    }
    /* A session needs the platform's Diffie-Hellman key. */
    if (b->dh_cert_paddr) {
        return SEV_STATUS_UNSUPPORTED;
    }
    if (policy & SEV_POLICY_RESERVED || !sev_policy_version_ok(policy)) {
        return SEV_STATUS_POLICY_FAILURE;
    }
    if (b->handle) {
        SevGuest *shared = sev_find(fw, le32_to_cpu(b->handle));

        if (!shared) {
            return SEV_STATUS_INVALID_GUEST;
        }
        if (policy != shared->policy || policy & SEV_POLICY_NOKS) {
            return SEV_STATUS_POLICY_FAILURE;
        }
    }
    while (sev_find(fw, handle)) {
        handle++;
    }
    if (handle > SEV_MAX_GUESTS) {
        return SEV_STATUS_RESOURCE_LIMIT;
    }
    if (policy & SEV_POLICY_ES && !fw->es) {
        return SEV_STATUS_UNSUPPORTED;
    }

    guest = g_new0(SevGuest, 1);
    guest->handle = handle;
    guest->policy = policy;
    guest->state = SEV_GUEST_LUPDATE;
    sev_sha256_init(&guest->ld);
    QTAILQ_INSERT_TAIL(&fw->sev_guests, guest, next);
    fw->sev_state = SEV_PLATFORM_WORKING;
    b->handle = cpu_to_le32(handle);
    return SEV_STATUS_SUCCESS;
}

typedef struct SevLaunchUpdateBuf {
    uint32_t handle;
    uint32_t reserved;
    uint64_t paddr;
    uint32_t length;
} QEMU_PACKED SevLaunchUpdateBuf;

static SevStatus sev_launch_update(SevFw *fw, SevLaunchUpdateBuf *b, bool vmsa)
{
    uint64_t pa = le64_to_cpu(b->paddr);
    uint32_t length = le32_to_cpu(b->length);
    SevGuest *guest;
    SevStatus status = sev_get(fw, b->handle, &guest);

    if (status) {
        return status;
    }
    if (guest->state != SEV_GUEST_LUPDATE) {
        return SEV_STATUS_INVALID_GUEST_STATE;
    }
    if (vmsa && !(guest->policy & SEV_POLICY_ES)) {
        return SEV_STATUS_UNSUPPORTED;
    }
    if (!guest->asid) {
        return SEV_STATUS_INACTIVE;
    }
    if (pa % SEV_ALIGN) {
        return SEV_STATUS_INVALID_ADDRESS;
    }
    if (!length || length % SEV_ALIGN) {
        return SEV_STATUS_INVALID_LENGTH;
    }
    return sev_begin(fw, guest, false, pa, 0, length);
}

static SevStatus sev_launch_update_data(SevFw *fw, void *buf)
{
    return sev_launch_update(fw, buf, false);
}

static SevStatus sev_launch_update_vmsa(SevFw *fw, void *buf)
{
    SevLaunchUpdateBuf *b = buf;

    if (le32_to_cpu(b->length) != SEV_VMSA_SIZE) {
        return SEV_STATUS_INVALID_LENGTH;
    }
    return sev_launch_update(fw, b, true);
}

typedef struct SevLaunchMeasureBuf {
    uint32_t handle;
    uint32_t reserved;
    uint64_t paddr;
    uint32_t length;
} QEMU_PACKED SevLaunchMeasureBuf;

typedef struct SevMeasurement {
    uint8_t measure[SEV_SHA256_SIZE];
    uint8_t mnonce[16];
} QEMU_PACKED SevMeasurement;

static SevStatus sev_launch_measure(SevFw *fw, void *buf)
{
    SevLaunchMeasureBuf *b = buf;
    uint32_t length = le32_to_cpu(b->length);
    uint8_t head[4] = {
        SEV_CONTEXT_MEASURE, SEV_FW_API_MAJOR, SEV_FW_API_MINOR, SEV_FW_BUILD
    };
    uint8_t policy[4], ld[SEV_SHA256_SIZE];
    SevMeasurement m;
    struct iovec iov[] = {
        { head, sizeof(head) },
        { policy, sizeof(policy) },
        { ld, sizeof(ld) },
        { m.mnonce, sizeof(m.mnonce) },
    };
    SevGuest *guest;
    SevStatus status = sev_get(fw, b->handle, &guest);

    if (status) {
        return status;
    }
    if (guest->state != SEV_GUEST_LUPDATE) {
        return SEV_STATUS_INVALID_GUEST_STATE;
    }
    b->length = cpu_to_le32(sizeof(m));
    if (length < sizeof(m)) {
        return SEV_STATUS_INVALID_LENGTH;
    }
    status = sev_fw_check_writable(fw, le64_to_cpu(b->paddr), length);
    if (status) {
        return status;
    }

    sev_sha256_final(&guest->ld, ld);
    stl_le_p(policy, guest->policy);
    qemu_guest_getrandom_nofail(m.mnonce, sizeof(m.mnonce));
    sev_hmac_sha256(sev_tik, sizeof(sev_tik), iov, ARRAY_SIZE(iov), m.measure);
    memcpy(guest->measure, m.measure, sizeof(guest->measure));
    guest->state = SEV_GUEST_LSECRET;
    return sev_fw_write(fw, le64_to_cpu(b->paddr), &m, sizeof(m));
}

typedef struct SevLaunchSecretBuf {
    uint32_t handle;
    uint32_t reserved1;
    uint64_t hdr_paddr;
    uint32_t hdr_len;
    uint32_t reserved2;
    uint64_t guest_paddr;
    uint32_t guest_len;
    uint32_t reserved3;
    uint64_t trans_paddr;
    uint32_t trans_len;
} QEMU_PACKED SevLaunchSecretBuf;

typedef struct SevSecretHeader {
    uint32_t flags;
    uint8_t iv[16];
    uint8_t mac[SEV_SHA256_SIZE];
} QEMU_PACKED SevSecretHeader;

#define SEV_SECRET_COMPRESSED   (1U << 0)
#define SEV_SECRET_MAX          (16 * KiB)

static SevStatus sev_launch_secret(SevFw *fw, void *buf)
{
    SevLaunchSecretBuf *b = buf;
    uint64_t guest_paddr = le64_to_cpu(b->guest_paddr);
    uint32_t guest_len = le32_to_cpu(b->guest_len);
    uint8_t context = SEV_CONTEXT_SECRET, mac[SEV_SHA256_SIZE];
    g_autofree uint8_t *data = NULL;
    SevSecretHeader hdr;
    SevGuest *guest;
    SevStatus status = sev_get(fw, b->handle, &guest);

    if (status) {
        return status;
    }
    if (guest_paddr % SEV_ALIGN) {
        return SEV_STATUS_INVALID_ADDRESS;
    }
    if (le32_to_cpu(b->hdr_len) != sizeof(hdr) || !guest_len ||
        guest_len % SEV_ALIGN || guest_len > SEV_SECRET_MAX ||
        b->guest_len != b->trans_len) {
        return SEV_STATUS_INVALID_LENGTH;
    }
    if (guest->state != SEV_GUEST_LSECRET) {
        return SEV_STATUS_INVALID_GUEST_STATE;
    }
    if (!guest->asid) {
        return SEV_STATUS_INACTIVE;
    }
    status = sev_fw_check_writable(fw, guest_paddr, guest_len);
    if (!status) {
        status = sev_fw_read(fw, le64_to_cpu(b->hdr_paddr), &hdr, sizeof(hdr));
    }
    data = g_malloc(guest_len);
    if (!status) {
        status = sev_fw_read(fw, le64_to_cpu(b->trans_paddr), data, guest_len);
    }
    if (!status) {
        struct iovec iov[] = {
            { &context, sizeof(context) },
            { &hdr.flags, sizeof(hdr.flags) },
            { hdr.iv, sizeof(hdr.iv) },
            { &b->guest_len, sizeof(b->guest_len) },
            { &b->trans_len, sizeof(b->trans_len) },
            { data, guest_len },
            { guest->measure, sizeof(guest->measure) },
        };

        sev_hmac_sha256(sev_tik, sizeof(sev_tik), iov, ARRAY_SIZE(iov), mac);
        if (!sev_equal(mac, hdr.mac, sizeof(mac))) {
            status = SEV_STATUS_BAD_MEASUREMENT;
        } else if (le32_to_cpu(hdr.flags) & SEV_SECRET_COMPRESSED) {
            status = SEV_STATUS_UNSUPPORTED;
        }
    }
    if (!status) {
        sev_aes128_ctr(sev_tek, hdr.iv, data, guest_len);
        status = sev_fw_write(fw, guest_paddr, data, guest_len);
    }
    return status;
}

static SevStatus sev_launch_finish(SevFw *fw, void *buf)
{
    SevHandleBuf *b = buf;
    SevGuest *guest;
    SevStatus status = sev_get(fw, b->handle, &guest);

    if (status) {
        return status;
    }
    if (guest->state != SEV_GUEST_LSECRET) {
        return SEV_STATUS_INVALID_GUEST_STATE;
    }
    sev_fw_asid_use(fw, guest->asid);
    guest->state = SEV_GUEST_RUNNING;
    return SEV_STATUS_SUCCESS;
}

/* Debugging */

typedef struct SevDebugBuf {
    uint32_t handle;
    uint32_t reserved;
    uint64_t src_paddr;
    uint64_t dst_paddr;
    uint32_t length;
} QEMU_PACKED SevDebugBuf;

static SevStatus sev_dbg_crypt(SevFw *fw, void *buf)
{
    SevDebugBuf *b = buf;
    uint64_t src = le64_to_cpu(b->src_paddr);
    uint64_t dst = le64_to_cpu(b->dst_paddr);
    uint32_t length = le32_to_cpu(b->length);
    SevGuest *guest;
    SevStatus status = sev_get(fw, b->handle, &guest);

    if (status == SEV_STATUS_INVALID_PLATFORM_STATE) {
        return status;
    }
    if (src % SEV_ALIGN || dst % SEV_ALIGN) {
        return SEV_STATUS_INVALID_ADDRESS;
    }
    if (length % SEV_ALIGN) {
        return SEV_STATUS_INVALID_LENGTH;
    }
    if (status) {
        return status;
    }
    if (guest->policy & SEV_POLICY_NODBG) {
        return SEV_STATUS_POLICY_FAILURE;
    }
    /* A guest without an ASID is found out after all else. */
    return sev_begin(fw, guest, true, dst, src, length);
}

#define CMD(_name, _handler, _type, _flags)                     \
    { .name = _name, .handler = _handler, .length = sizeof(_type), \
      .flags = _flags }
#define CMD_NO_BUF(_name, _handler)                             \
    { .name = _name, .handler = _handler }
#define WRITES      SEV_FW_CMD_WRITES
#define WRITES_LEN  (SEV_FW_CMD_WRITES | SEV_FW_CMD_WRITES_LENGTH)

const SevFwCommand
sev_fw_sev_commands[SEV_FW_SEV_LAST - SEV_FW_SEV_FIRST + 1] = {
    [0x01] = CMD("INIT", sev_init, SevInitBuf, 0),
    [0x02] = CMD_NO_BUF("SHUTDOWN", sev_shutdown),
    [0x03] = CMD_NO_BUF("PLATFORM_RESET", sev_platform_reset),
    [0x04] = CMD("PLATFORM_STATUS", sev_platform_status, SevPlatformStatusBuf,
                 WRITES),
    [0x05] = CMD_NO_BUF("PEK_GEN", sev_key_gen),
    [0x06] = CMD_NO_BUF("PEK_CSR", sev_unsupported),
    [0x07] = CMD_NO_BUF("PEK_CERT_IMPORT", sev_unsupported),
    [0x08] = CMD_NO_BUF("PDH_CERT_EXPORT", sev_unsupported),
    [0x09] = CMD_NO_BUF("PDH_GEN", sev_key_gen),
    [0x0a] = CMD_NO_BUF("DF_FLUSH", sev_fw_df_flush),
    [0x0b] = CMD_NO_BUF("DOWNLOAD_FIRMWARE", sev_unsupported),
    [0x0c] = CMD("GET_ID", sev_get_id, SevGetIdBuf, WRITES_LEN),
    [0x0d] = CMD("INIT_EX", sev_init_ex, SevInitExBuf, 0),
    [0x0e] = CMD_NO_BUF("NOP", sev_nop),
    [0x20] = CMD("DECOMMISSION", sev_decommission, SevHandleBuf, 0),
    [0x21] = CMD("ACTIVATE", sev_activate, SevActivateBuf, 0),
    [0x22] = CMD("DEACTIVATE", sev_deactivate, SevHandleBuf, 0),
    [0x23] = CMD("GUEST_STATUS", sev_guest_status, SevGuestStatusBuf, WRITES),
    [0x24] = CMD("COPY", sev_copy, SevCopyBuf, 0),
    [0x25] = CMD("ACTIVATE_EX", sev_activate_ex, SevActivateExBuf, 0),
    [0x30] = CMD("LAUNCH_START", sev_launch_start, SevLaunchStartBuf, WRITES),
    [0x31] = CMD("LAUNCH_UPDATE_DATA", sev_launch_update_data,
                 SevLaunchUpdateBuf, 0),
    [0x32] = CMD("LAUNCH_UPDATE_VMSA", sev_launch_update_vmsa,
                 SevLaunchUpdateBuf, 0),
    [0x33] = CMD("LAUNCH_MEASURE", sev_launch_measure, SevLaunchMeasureBuf,
                 WRITES_LEN),
    [0x34] = CMD("LAUNCH_SECRET", sev_launch_secret, SevLaunchSecretBuf, 0),
    [0x35] = CMD("LAUNCH_FINISH", sev_launch_finish, SevHandleBuf, 0),
    [0x36] = CMD_NO_BUF("ATTESTATION", sev_unsupported),
    [0x40] = CMD_NO_BUF("SEND_START", sev_unsupported),
    [0x41] = CMD_NO_BUF("SEND_UPDATE_DATA", sev_unsupported),
    [0x42] = CMD_NO_BUF("SEND_UPDATE_VMSA", sev_unsupported),
    [0x43] = CMD_NO_BUF("SEND_FINISH", sev_unsupported),
    [0x44] = CMD_NO_BUF("SEND_CANCEL", sev_unsupported),
    [0x50] = CMD_NO_BUF("RECEIVE_START", sev_unsupported),
    [0x51] = CMD_NO_BUF("RECEIVE_UPDATE_DATA", sev_unsupported),
    [0x52] = CMD_NO_BUF("RECEIVE_UPDATE_VMSA", sev_unsupported),
    [0x53] = CMD_NO_BUF("RECEIVE_FINISH", sev_unsupported),
    [0x60] = CMD("DBG_DECRYPT", sev_dbg_crypt, SevDebugBuf, 0),
    [0x61] = CMD("DBG_ENCRYPT", sev_dbg_crypt, SevDebugBuf, 0),
    [0x70] = CMD_NO_BUF("SWAP_OUT", sev_unsupported),
    [0x71] = CMD_NO_BUF("SWAP_IN", sev_unsupported),
};

static const VMStateDescription vmstate_sev_sha256 = {
    .name = "amd-sev-fw/sha256",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (VMStateField[]) {
        VMSTATE_UINT32_ARRAY(h, SevSha256, 8),
        VMSTATE_UINT64(length, SevSha256),
        VMSTATE_UINT8_ARRAY(block, SevSha256, 64),
        VMSTATE_END_OF_LIST()
    }
};

static int sev_guest_post_load(void *opaque, int version_id)
{
    SevGuest *guest = opaque;

    return guest->asid > SEV_FW_MAX_ASID ? -EINVAL : 0;
}

const VMStateDescription vmstate_sev_guest = {
    .name = "amd-sev-fw/sev-guest",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = sev_guest_post_load,
    .fields = (VMStateField[]) {
        VMSTATE_UINT32(handle, SevGuest),
        VMSTATE_UINT32(policy, SevGuest),
        VMSTATE_UINT32(asid, SevGuest),
        VMSTATE_UINT8(state, SevGuest),
        VMSTATE_STRUCT(ld, SevGuest, 1, vmstate_sev_sha256, SevSha256),
        VMSTATE_UINT8_ARRAY(measure, SevGuest, SEV_SHA256_SIZE),
        VMSTATE_END_OF_LIST()
    }
};
