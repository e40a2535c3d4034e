/*
 * Firmware of the AMD security processor: SNP_GUEST_REQUEST
 *
 * Messages between a guest and the firmware, which the hypervisor carries
 * and cannot read: AES-256-GCM with one of the keys from the guest's secrets
 * page (VMPCK).  What is wrong with how a message arrives is an error of the
 * command; what is wrong with what the guest asks is said in the answer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "amd-sev-fw-internal.h"
#include "trace.h"

/* SNP ABI, "Guest Message Header" */
typedef struct SnpMsgHeader {
    uint8_t auth_tag[32];       /* GCM uses the first 16 */
    uint64_t seqno;
    uint64_t reserved1;
    /* From here on it is authenticated. */
    uint8_t algo;
    uint8_t version;
    uint16_t size;
    uint8_t msg_type;
    uint8_t msg_version;
    uint16_t msg_size;
    uint32_t reserved2;
    uint8_t msg_vmpck;
    uint8_t reserved3[35];
} QEMU_PACKED SnpMsgHeader;

QEMU_BUILD_BUG_ON(sizeof(SnpMsgHeader) != 0x60);

#define SNP_MSG_AAD_OFFSET      offsetof(SnpMsgHeader, algo)
#define SNP_MSG_AAD_SIZE        (sizeof(SnpMsgHeader) - SNP_MSG_AAD_OFFSET)
#define SNP_MSG_MAX             (SEV_FW_PAGE_SIZE - sizeof(SnpMsgHeader))
#define SNP_MSG_ALGO_GCM        1
#define SNP_MSG_HDR_VERSION     1
#define SNP_MSG_VERSION         1

typedef enum SnpMsgType {
    SNP_MSG_CPUID_REQ = 1,
    SNP_MSG_CPUID_RSP,
    SNP_MSG_KEY_REQ,
    SNP_MSG_KEY_RSP,
    SNP_MSG_REPORT_REQ,
    SNP_MSG_REPORT_RSP,
} SnpMsgType;

typedef struct SnpCpuidReq {
    uint32_t count;
    uint32_t reserved1;
    uint64_t reserved2;
    SnpCpuidFunction functions[SNP_CPUID_COUNT_MAX];
} QEMU_PACKED SnpCpuidReq;

typedef struct SnpCpuidRsp {
    uint32_t status;
    uint32_t count;
    uint64_t reserved;
    SnpCpuidFunction functions[SNP_CPUID_COUNT_MAX];
} QEMU_PACKED SnpCpuidRsp;

typedef struct SnpKeyReq {
    uint32_t flags;
    uint32_t reserved;
    uint64_t field_select;
    uint32_t vmpl;
    uint32_t guest_svn;
    uint64_t tcb_version;
} QEMU_PACKED SnpKeyReq;

#define SNP_KEY_ROOT_VMRK       (1U << 0)
#define SNP_KEY_SEL_SHIFT       1
#define SNP_KEY_SEL_LENGTH      2
#define SNP_KEY_RESERVED        (~7U)

#define SNP_KEY_FIELD_POLICY        (1U << 0)
#define SNP_KEY_FIELD_IMAGE_ID      (1U << 1)
#define SNP_KEY_FIELD_FAMILY_ID     (1U << 2)
#define SNP_KEY_FIELD_MEASUREMENT   (1U << 3)
#define SNP_KEY_FIELD_GUEST_SVN     (1U << 4)
#define SNP_KEY_FIELD_TCB_VERSION   (1U << 5)
#define SNP_KEY_FIELD_RESERVED      (~0x3fULL)

typedef struct SnpKeyRsp {
    uint32_t status;
    uint8_t reserved[28];
    uint8_t key[32];
} QEMU_PACKED SnpKeyRsp;

/* What a derived key depends on; the layout is the firmware's own affair. */
typedef struct SnpKeyMix {
    SnpKeyReq req;
    uint64_t policy;
    uint8_t image_id[16];
    uint8_t family_id[16];
    uint8_t measurement[48];
    uint8_t host_data[32];
    uint8_t id_key_digest[48];
} QEMU_PACKED SnpKeyMix;

typedef struct SnpReportReq {
    uint8_t report_data[64];
    uint32_t vmpl;
    uint32_t key_sel;
    uint8_t reserved[24];
} QEMU_PACKED SnpReportReq;

/* Values of KEY_SEL */
#define SNP_KEY_SEL_ANY         0
#define SNP_KEY_SEL_VCEK        1
#define SNP_KEY_SEL_MASK        3

/* SNP ABI, ATTESTATION_REPORT */
typedef struct SnpReport {
    uint32_t version;
    uint32_t guest_svn;
    uint64_t policy;
    uint8_t family_id[16];
    uint8_t image_id[16];
    uint32_t vmpl;
    uint32_t signature_algo;
    uint64_t current_tcb;
    uint64_t platform_info;
    uint32_t key_info;
    uint32_t reserved1;
    uint8_t report_data[64];
    uint8_t measurement[48];
    uint8_t host_data[32];
    uint8_t id_key_digest[48];
    uint8_t author_key_digest[48];
    uint8_t report_id[32];
    uint8_t report_id_ma[32];
    uint64_t reported_tcb;
    uint8_t reserved2[24];
    uint8_t chip_id[64];
    uint64_t committed_tcb;
    uint8_t current_build;
    uint8_t current_minor;
    uint8_t current_major;
    uint8_t reserved3;
    uint8_t committed_build;
    uint8_t committed_minor;
    uint8_t committed_major;
    uint8_t reserved4;
    uint64_t launch_tcb;
    uint8_t reserved5[168];
    uint8_t signature[512];
} QEMU_PACKED SnpReport;

QEMU_BUILD_BUG_ON(sizeof(SnpReport) != 0x4a0);

#define SNP_REPORT_VERSION          2
#define SNP_REPORT_ECDSA_P384       1
#define SNP_REPORT_AUTHOR_KEY_EN    (1U << 0)
#define SNP_REPORT_MASK_CHIP_KEY    (1U << 1)
/* SIGNING_KEY, bits 4:2: nobody, and then the signature is all zero */
#define SNP_REPORT_SIGNED_BY_NONE   (7U << 2)
#define SNP_PLATFORM_SMT_EN         (1U << 0)

typedef struct SnpReportRsp {
    uint32_t status;
    uint32_t size;
    uint8_t reserved[24];
    SnpReport report;
} QEMU_PACKED SnpReportRsp;

QEMU_BUILD_BUG_ON(sizeof(SnpReportRsp) > SNP_MSG_MAX);
QEMU_BUILD_BUG_ON(sizeof(SnpCpuidRsp) > SNP_MSG_MAX);

/* There is no VLEK; and VCEK may have been forbidden at launch. */
static bool snp_key_sel_ok(const SnpGuest *guest, uint32_t key_sel)
{
    return (key_sel == SNP_KEY_SEL_ANY || key_sel == SNP_KEY_SEL_VCEK) &&
           !guest->vcek_dis;
}

static uint16_t snp_msg_cpuid(const void *req_buf, size_t req_size,
                              void *rsp_buf)
{
    const SnpCpuidReq *req = req_buf;
    SnpCpuidRsp *rsp = rsp_buf;
    uint32_t count = le32_to_cpu(req->count), i;
    SevStatus status = SEV_STATUS_SUCCESS;

    if (req->reserved1 || req->reserved2 || count > SNP_CPUID_COUNT_MAX ||
        offsetof(SnpCpuidReq, functions[count]) > req_size) {
        status = SEV_STATUS_INVALID_PARAM;
        count = 0;
    }
    for (i = 0; i < count; i++) {
        rsp->functions[i] = req->functions[i];
        if (!sev_fw_check_cpuid(&rsp->functions[i])) {
            status = SEV_STATUS_INVALID_PARAM;
        }
    }
    rsp->status = cpu_to_le32(status);
    rsp->count = cpu_to_le32(count);
    return req_size;
}

static SevStatus snp_derive_key(SevFw *fw, const SnpGuest *guest,
                                const SnpKeyReq *req, unsigned vmpck,
                                uint8_t key[32])
{
    uint32_t flags = le32_to_cpu(req->flags);
    uint64_t fields = le64_to_cpu(req->field_select);
    SnpIdBlock id;
    SnpKeyMix mix = {
        .req.flags = req->flags,
        .req.field_select = req->field_select,
        .req.vmpl = req->vmpl,
    };
    int i;

    if (flags & SNP_KEY_RESERVED || req->reserved) {
        return SEV_STATUS_INVALID_PARAM;
    }
    if (!(flags & SNP_KEY_ROOT_VMRK) &&
        (fw->snp_config & SNP_CONFIG_MASK_CHIP_KEY ||
         !snp_key_sel_ok(guest, extract32(flags, SNP_KEY_SEL_SHIFT,
                                          SNP_KEY_SEL_LENGTH)))) {
        return SEV_STATUS_INVALID_KEY;
    }
    /* Nobody gets the key of somebody with more privilege. */
    if (le32_to_cpu(req->vmpl) < vmpck || fields & SNP_KEY_FIELD_RESERVED) {
        return SEV_STATUS_INVALID_PARAM;
    }

    memcpy(&id, guest->id_block, sizeof(id));
    if (fields & SNP_KEY_FIELD_TCB_VERSION) {
        for (i = 0; i < 64; i += 8) {
            if (extract64(le64_to_cpu(req->tcb_version), i, 8) >
                extract64(SEV_FW_TCB, i, 8)) {
                return SEV_STATUS_INVALID_PARAM;
            }
        }
        mix.req.tcb_version = req->tcb_version;
    }
    if (fields & SNP_KEY_FIELD_GUEST_SVN) {
        if (le32_to_cpu(req->guest_svn) > le32_to_cpu(id.guest_svn)) {
            return SEV_STATUS_INVALID_PARAM;
        }
        mix.req.guest_svn = req->guest_svn;
    }
    if (fields & SNP_KEY_FIELD_POLICY) {
        mix.policy = cpu_to_le64(guest->policy);
    }
    if (fields & SNP_KEY_FIELD_IMAGE_ID) {
        memcpy(mix.image_id, id.image_id, sizeof(mix.image_id));
    }
    if (fields & SNP_KEY_FIELD_FAMILY_ID) {
        memcpy(mix.family_id, id.family_id, sizeof(mix.family_id));
    }
    if (fields & SNP_KEY_FIELD_MEASUREMENT) {
        memcpy(mix.measurement, guest->ld, sizeof(mix.measurement));
    }
    memcpy(mix.host_data, guest->host_data, sizeof(mix.host_data));
    memcpy(mix.id_key_digest, guest->author_key_en ?
           guest->author_key_digest : guest->id_key_digest,
           sizeof(mix.id_key_digest));

    if (flags & SNP_KEY_ROOT_VMRK) {
        sev_kdf(key, 32, guest->vmrk, sizeof(guest->vmrk), "snp-derived-key",
                &mix, sizeof(mix));
    } else {
        sev_kdf(key, 32, fw->chip_secret, sizeof(fw->chip_secret),
                "snp-derived-key", &mix, sizeof(mix));
    }
    return SEV_STATUS_SUCCESS;
}

static uint16_t snp_msg_key(SevFw *fw, const SnpGuest *guest, unsigned vmpck,
                            const void *req_buf, void *rsp_buf)
{
    SnpKeyRsp *rsp = rsp_buf;
    SevStatus status = snp_derive_key(fw, guest, req_buf, vmpck, rsp->key);

    rsp->status = cpu_to_le32(status);
    return sizeof(*rsp);
}

static SevStatus snp_make_report(SevFw *fw, const SnpGuest *guest,
                                 const SnpReportReq *req, unsigned vmpck,
                                 SnpReport *r)
{
    uint32_t key_info = SNP_REPORT_SIGNED_BY_NONE;
    SnpIdBlock id;

    if (le32_to_cpu(req->key_sel) & ~SNP_KEY_SEL_MASK ||
        !buffer_is_zero(req->reserved, sizeof(req->reserved))) {
        return SEV_STATUS_INVALID_PARAM;
    }
    if (!snp_key_sel_ok(guest, le32_to_cpu(req->key_sel))) {
        return SEV_STATUS_INVALID_KEY;
    }
    if (le32_to_cpu(req->vmpl) < vmpck) {
        return SEV_STATUS_INVALID_PARAM;
    }

    if (guest->author_key_en) {
        key_info |= SNP_REPORT_AUTHOR_KEY_EN;
    }
    if (fw->snp_config & SNP_CONFIG_MASK_CHIP_KEY) {
        key_info |= SNP_REPORT_MASK_CHIP_KEY;
    }
    memcpy(&id, guest->id_block, sizeof(id));
    r->version = cpu_to_le32(SNP_REPORT_VERSION);
    r->guest_svn = id.guest_svn;
    r->policy = cpu_to_le64(guest->policy);
    memcpy(r->family_id, id.family_id, sizeof(r->family_id));
    memcpy(r->image_id, id.image_id, sizeof(r->image_id));
    r->vmpl = req->vmpl;
    r->signature_algo = cpu_to_le32(SNP_REPORT_ECDSA_P384);
    r->current_tcb = cpu_to_le64(SEV_FW_TCB);
    r->platform_info = cpu_to_le64(SNP_PLATFORM_SMT_EN);
    r->key_info = cpu_to_le32(key_info);
    memcpy(r->report_data, req->report_data, sizeof(r->report_data));
    memcpy(r->measurement, guest->ld, sizeof(r->measurement));
    memcpy(r->host_data, guest->host_data, sizeof(r->host_data));
    memcpy(r->id_key_digest, guest->id_key_digest, sizeof(r->id_key_digest));
    memcpy(r->author_key_digest, guest->author_key_digest,
           sizeof(r->author_key_digest));
    memcpy(r->report_id, guest->report_id, sizeof(r->report_id));
    memcpy(r->report_id_ma, guest->report_id_ma, sizeof(r->report_id_ma));
    r->reported_tcb = cpu_to_le64(fw->reported_tcb);
    if (!(fw->snp_config & SNP_CONFIG_MASK_CHIP_ID)) {
        sev_fw_chip_id(fw, r->chip_id);
    }
    r->committed_tcb = cpu_to_le64(SEV_FW_TCB);
    r->current_build = r->committed_build = SEV_FW_BUILD;
    r->current_minor = r->committed_minor = SEV_FW_API_MINOR;
    r->current_major = r->committed_major = SEV_FW_API_MAJOR;
    r->launch_tcb = cpu_to_le64(guest->launch_tcb);
    return SEV_STATUS_SUCCESS;
}

static uint16_t snp_msg_report(SevFw *fw, const SnpGuest *guest,
                               unsigned vmpck, const void *req_buf,
                               void *rsp_buf)
{
    SnpReportRsp *rsp = rsp_buf;
    SevStatus status = snp_make_report(fw, guest, req_buf, vmpck,
                                       &rsp->report);

    rsp->status = cpu_to_le32(status);
    rsp->size = cpu_to_le32(sizeof(rsp->report));
    return sizeof(*rsp);
}

static void snp_make_iv(uint64_t seqno_le, uint8_t iv[SEV_GCM_IV_SIZE])
{
    memset(iv, 0, SEV_GCM_IV_SIZE);
    memcpy(iv, &seqno_le, sizeof(seqno_le));
}

/* Get a message, and check and decrypt it. */
static SevStatus snp_receive(SevFw *fw, const SnpGuest *guest, uint64_t pa,
                             SnpMsgHeader *hdr, uint8_t *payload)
{
    uint64_t offset = pa & (SEV_FW_PAGE_SIZE - 1);
    uint8_t iv[SEV_GCM_IV_SIZE];
    uint64_t count;
    SevStatus status;
    uint16_t size;

    if (offset + sizeof(*hdr) > SEV_FW_PAGE_SIZE) {
        return SEV_STATUS_INVALID_PARAM;
    }
    status = sev_fw_read(fw, pa, hdr, sizeof(*hdr));
    if (status) {
        return status;
    }
    size = le16_to_cpu(hdr->msg_size);
    if (hdr->version != SNP_MSG_HDR_VERSION ||
        le16_to_cpu(hdr->size) != sizeof(*hdr) ||
        hdr->algo != SNP_MSG_ALGO_GCM || !size ||
        offset + sizeof(*hdr) + size > SEV_FW_PAGE_SIZE ||
        hdr->msg_vmpck >= SNP_NUM_VMPCKS) {
        return SEV_STATUS_INVALID_PARAM;
    }
    status = sev_fw_read(fw, pa + sizeof(*hdr), payload, size);
    if (status) {
        return status;
    }

    snp_make_iv(hdr->seqno, iv);
    if (!sev_gcm_open(guest->vmpck[hdr->msg_vmpck], iv,
                      (uint8_t *)hdr + SNP_MSG_AAD_OFFSET, SNP_MSG_AAD_SIZE,
                      payload, size, hdr->auth_tag)) {
        return SEV_STATUS_BAD_MEASUREMENT;
    }
    /* No nonce is used twice. */
    count = guest->msg_count[hdr->msg_vmpck];
    if (count == UINT64_MAX - 1 || le64_to_cpu(hdr->seqno) != count + 1) {
        return SEV_STATUS_AEAD_OFLOW;
    }
    return hdr->msg_version == SNP_MSG_VERSION ? SEV_STATUS_SUCCESS :
                                                 SEV_STATUS_INVALID_PARAM;
}

/* Encrypt an answer, and send it. */
static SevStatus snp_send(SevFw *fw, SnpGuest *guest, uint64_t pa,
                          const SnpMsgHeader *req, uint8_t type,
                          uint8_t *payload, uint16_t size)
{
    SnpMsgHeader hdr = {
        .seqno = cpu_to_le64(le64_to_cpu(req->seqno) + 1),
        .algo = SNP_MSG_ALGO_GCM,
        .version = SNP_MSG_HDR_VERSION,
        .size = cpu_to_le16(sizeof(hdr)),
        .msg_type = type,
        .msg_version = SNP_MSG_VERSION,
        .msg_size = cpu_to_le16(size),
        .msg_vmpck = req->msg_vmpck,
    };
    uint8_t iv[SEV_GCM_IV_SIZE];
    SevStatus status;

    if ((pa & (SEV_FW_PAGE_SIZE - 1)) + sizeof(hdr) + size >
        SEV_FW_PAGE_SIZE) {
        return SEV_STATUS_INVALID_PARAM;
    }
    snp_make_iv(hdr.seqno, iv);
    sev_gcm_seal(guest->vmpck[hdr.msg_vmpck], iv,
                 (uint8_t *)&hdr + SNP_MSG_AAD_OFFSET, SNP_MSG_AAD_SIZE,
                 payload, size, hdr.auth_tag);
    guest->msg_count[hdr.msg_vmpck] += 2;

    status = sev_fw_write(fw, pa, &hdr, sizeof(hdr));
    return status ?: sev_fw_write(fw, pa + sizeof(hdr), payload, size);
}

SevStatus sev_fw_guest_request(SevFw *fw, void *buf)
{
    SnpGuestRequestBuf *b = buf;
    uint64_t req_pa = le64_to_cpu(b->request_paddr);
    uint64_t rsp_pa = le64_to_cpu(b->response_paddr);
    g_autofree uint8_t *req = g_malloc0(SEV_FW_PAGE_SIZE);
    g_autofree uint8_t *rsp = g_malloc0(SEV_FW_PAGE_SIZE);
    SnpRmpEntry req_e, rsp_e;
    SnpMsgHeader hdr;
    SnpGuest *guest;
    SevStatus status;
    uint16_t size, rsp_size;

    status = sev_fw_snp_find(fw, le64_to_cpu(b->gctx_paddr), &guest);
    if (status) {
        return status;
    }
    sev_fw_page(fw, req_pa, &req_e);
    if (sev_fw_page(fw, rsp_pa, &rsp_e) != SNP_PAGE_FIRMWARE) {
        return SEV_STATUS_INVALID_PAGE_STATE;
    }
    if (req_e.size_2m || rsp_e.size_2m) {
        return SEV_STATUS_INVALID_PAGE_SIZE;
    }
    if (guest->state != SNP_GUEST_RUNNING) {
        return SEV_STATUS_INVALID_GUEST_STATE;
    }
    status = snp_receive(fw, guest, req_pa, &hdr, req);
    if (status) {
        return status;
    }

    trace_sev_fw_guest_request(guest->context, hdr.msg_type, hdr.msg_vmpck,
                               le64_to_cpu(hdr.seqno));
    size = le16_to_cpu(hdr.msg_size);
    switch (hdr.msg_type) {
    case SNP_MSG_CPUID_REQ:
        if (size < offsetof(SnpCpuidReq, functions)) {
            return SEV_STATUS_INVALID_PARAM;
        }
        rsp_size = snp_msg_cpuid(req, size, rsp);
        break;
    case SNP_MSG_KEY_REQ:
        if (size < sizeof(SnpKeyReq)) {
            return SEV_STATUS_INVALID_PARAM;
        }
        rsp_size = snp_msg_key(fw, guest, hdr.msg_vmpck, req, rsp);
        break;
    case SNP_MSG_REPORT_REQ:
        if (size < sizeof(SnpReportReq)) {
            return SEV_STATUS_INVALID_PARAM;
        }
        rsp_size = snp_msg_report(fw, guest, hdr.msg_vmpck, req, rsp);
        break;
    default:
        return SEV_STATUS_INVALID_PARAM;
    }
    /* The type of an answer is that of its request and one. */
    return snp_send(fw, guest, rsp_pa, &hdr, hdr.msg_type + 1, rsp, rsp_size);
}
