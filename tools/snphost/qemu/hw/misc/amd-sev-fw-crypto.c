/*
 * Firmware of the AMD security processor: cryptography
 *
 * What QEMU's crypto library has in every configuration (SHA-384, HMAC, the AES
 * block cipher) is taken from there.  SHA-256 in pieces and the
 * CTR and GCM modes, which it has not, are here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qapi/error.h"
#include "crypto/aes.h"
#include "crypto/hash.h"
#include "crypto/hmac.h"
#include "amd-sev-fw-crypto.h"

/* FIPS 180-4, 4.2.2: fractional parts of the cube roots of the primes. */
static const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static void sha256_block(uint32_t h[8], const uint8_t *p)
{
    uint32_t w[64], v[8];
    int i;

    for (i = 0; i < 16; i++) {
        w[i] = ldl_be_p(p + 4 * i);
    }
    for (; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];

        w[i] = w[i - 16] + w[i - 7] +
               (ror32(x, 7) ^ ror32(x, 18) ^ (x >> 3)) +
               (ror32(y, 17) ^ ror32(y, 19) ^ (y >> 10));
    }

    memcpy(v, h, sizeof(v));
    for (i = 0; i < 64; i++) {
        uint32_t a = v[0], e = v[4], t1, t2;

        t1 = v[7] + (ror32(e, 6) ^ ror32(e, 11) ^ ror32(e, 25)) +
             ((e & v[5]) ^ (~e & v[6])) + sha256_k[i] + w[i];
        t2 = (ror32(a, 2) ^ ror32(a, 13) ^ ror32(a, 22)) +
             ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (i = 0; i < 8; i++) {
        h[i] += v[i];
    }
}

void sev_sha256_init(SevSha256 *s)
{
    static const uint32_t h[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };

    memset(s, 0, sizeof(*s));
    memcpy(s->h, h, sizeof(h));
}

void sev_sha256_update(SevSha256 *s, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t fill = s->length % sizeof(s->block);

    s->length += len;
    while (len) {
        size_t n = MIN(len, sizeof(s->block) - fill);

        memcpy(s->block + fill, p, n);
        p += n;
        len -= n;
        fill += n;
        if (fill == sizeof(s->block)) {
            sha256_block(s->h, s->block);
            fill = 0;
        }
    }
}

void sev_sha256_final(SevSha256 *s, uint8_t digest[SEV_SHA256_SIZE])
{
    static const uint8_t pad[64] = { 0x80 };
    uint64_t bits = s->length * 8;
    uint8_t be[8];
    int i;

    /* A one, zeros up to eight bytes before the end of a block, the length. */
    sev_sha256_update(s, pad, 1 + (119 - s->length % 64) % 64);
    stq_be_p(be, bits);
    sev_sha256_update(s, be, sizeof(be));
    for (i = 0; i < 8; i++) {
        stl_be_p(digest + 4 * i, s->h[i]);
    }
}

void sev_sha384(const void *data, size_t len, uint8_t digest[SEV_SHA384_SIZE])
{
    g_autofree uint8_t *result = NULL;
    size_t result_len = 0;

    qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA384, data, len, &result,
                       &result_len, &error_abort);
    assert(result_len == SEV_SHA384_SIZE);
    memcpy(digest, result, SEV_SHA384_SIZE);
}

void sev_hmac_sha256(const void *key, size_t key_len, const struct iovec *iov,
                     size_t niov, uint8_t mac[SEV_SHA256_SIZE])
{
    g_autoptr(QCryptoHmac) hmac = NULL;
    g_autofree uint8_t *result = NULL;
    size_t result_len = 0;

    hmac = qcrypto_hmac_new(QCRYPTO_HASH_ALGO_SHA256, key, key_len,
                            &error_abort);
    qcrypto_hmac_bytesv(hmac, iov, niov, &result, &result_len, &error_abort);
    assert(result_len == SEV_SHA256_SIZE);
    memcpy(mac, result, SEV_SHA256_SIZE);
}

void sev_kdf(void *out, size_t out_len, const void *key, size_t key_len,
             const char *label, const void *context, size_t context_len)
{
    uint8_t counter[4], bits[4], block[SEV_SHA256_SIZE], zero = 0;
    struct iovec iov[] = {
        { counter, sizeof(counter) },
        { (void *)label, strlen(label) },
        { &zero, sizeof(zero) },
        { (void *)context, context_len },
        { bits, sizeof(bits) },
    };
    uint32_t i;

    stl_le_p(bits, out_len * 8);
    for (i = 1; out_len; i++) {
        size_t n = MIN(out_len, sizeof(block));

        stl_le_p(counter, i);
        sev_hmac_sha256(key, key_len, iov, ARRAY_SIZE(iov), block);
        memcpy(out, block, n);
        out += n;
        out_len -= n;
    }
}

void sev_aes128_ctr(const uint8_t key[SEV_AES128_KEY_SIZE],
                    const uint8_t iv[16], uint8_t *data, size_t len)
{
    uint8_t ctr[16], stream[16];
    size_t i, n;
    AES_KEY aes;

    AES_set_encrypt_key(key, SEV_AES128_KEY_SIZE * 8, &aes);
    memcpy(ctr, iv, sizeof(ctr));
    for (; len; data += n, len -= n) {
        int j = sizeof(ctr);

        n = MIN(len, sizeof(stream));
        AES_encrypt(ctr, stream, &aes);
        for (i = 0; i < n; i++) {
            data[i] ^= stream[i];
        }
        while (j-- && !++ctr[j]) {
            /* carry */
        }
    }
}

typedef struct Ghash {
    uint64_t h_hi, h_lo;
    uint64_t y_hi, y_lo;
} Ghash;

/* Y = (Y ^ block) * H in GF(2^128), NIST SP 800-38D, 6.3 */
static void ghash_block(Ghash *g, const uint8_t block[16])
{
    uint64_t x[2] = {
        g->y_hi ^ ldq_be_p(block), g->y_lo ^ ldq_be_p(block + 8)
    };
    uint64_t v_hi = g->h_hi, v_lo = g->h_lo;
    int i;

    g->y_hi = 0;
    g->y_lo = 0;
    for (i = 0; i < 128; i++) {
        uint64_t take = -(x[i / 64] >> (63 - i % 64) & 1);
        uint64_t reduce = -(v_lo & 1);

        g->y_hi ^= v_hi & take;
        g->y_lo ^= v_lo & take;
        v_lo = v_lo >> 1 | v_hi << 63;
        v_hi = v_hi >> 1 ^ (reduce & 0xe1ULL << 56);
    }
}

/* All of a buffer, the last block filled up with zeros. */
static void ghash_buffer(Ghash *g, const uint8_t *p, size_t len)
{
    size_t n;

    for (; len; p += n, len -= n) {
        uint8_t block[16] = { 0 };

        n = MIN(len, sizeof(block));
        memcpy(block, p, n);
        ghash_block(g, block);
    }
}

static void gcm_tag(const AES_KEY *aes, const uint8_t j0[16],
                    const void *aad, size_t aad_len,
                    const uint8_t *data, size_t len,
                    uint8_t tag[SEV_GCM_TAG_SIZE])
{
    uint8_t block[16] = { 0 };
    Ghash g = { 0 };
    int i;

    AES_encrypt(block, block, aes);
    g.h_hi = ldq_be_p(block);
    g.h_lo = ldq_be_p(block + 8);

    ghash_buffer(&g, aad, aad_len);
    ghash_buffer(&g, data, len);
    stq_be_p(block, aad_len * 8);
    stq_be_p(block + 8, len * 8);
    ghash_block(&g, block);

    AES_encrypt(j0, tag, aes);
    stq_be_p(block, g.y_hi);
    stq_be_p(block + 8, g.y_lo);
    for (i = 0; i < SEV_GCM_TAG_SIZE; i++) {
        tag[i] ^= block[i];
    }
}

static void gcm_crypt(const AES_KEY *aes, const uint8_t j0[16],
                      uint8_t *data, size_t len)
{
    uint8_t ctr[16], stream[16];
    size_t i, n;

    memcpy(ctr, j0, sizeof(ctr));
    for (; len; data += n, len -= n) {
        n = MIN(len, sizeof(stream));
        stl_be_p(ctr + 12, ldl_be_p(ctr + 12) + 1);
        AES_encrypt(ctr, stream, aes);
        for (i = 0; i < n; i++) {
            data[i] ^= stream[i];
        }
    }
}

static void gcm_start(AES_KEY *aes, uint8_t j0[16],
                      const uint8_t key[SEV_AES256_KEY_SIZE],
                      const uint8_t iv[SEV_GCM_IV_SIZE])
{
    AES_set_encrypt_key(key, SEV_AES256_KEY_SIZE * 8, aes);
    memcpy(j0, iv, SEV_GCM_IV_SIZE);
    stl_be_p(j0 + SEV_GCM_IV_SIZE, 1);
}

void sev_gcm_seal(const uint8_t key[SEV_AES256_KEY_SIZE],
                  const uint8_t iv[SEV_GCM_IV_SIZE],
                  const void *aad, size_t aad_len, uint8_t *data, size_t len,
                  uint8_t tag[SEV_GCM_TAG_SIZE])
{
    uint8_t j0[16];
    AES_KEY aes;

    gcm_start(&aes, j0, key, iv);
    gcm_crypt(&aes, j0, data, len);
    gcm_tag(&aes, j0, aad, aad_len, data, len, tag);
}

bool sev_gcm_open(const uint8_t key[SEV_AES256_KEY_SIZE],
                  const uint8_t iv[SEV_GCM_IV_SIZE],
                  const void *aad, size_t aad_len, uint8_t *data, size_t len,
                  const uint8_t tag[SEV_GCM_TAG_SIZE])
{
    uint8_t j0[16], right[SEV_GCM_TAG_SIZE];
    AES_KEY aes;

    gcm_start(&aes, j0, key, iv);
    gcm_tag(&aes, j0, aad, aad_len, data, len, right);
    if (!sev_equal(tag, right, sizeof(right))) {
        return false;
    }
    gcm_crypt(&aes, j0, data, len);
    return true;
}

bool sev_equal(const void *a, const void *b, size_t len)
{
    const uint8_t *p = a, *q = b;
    uint8_t diff = 0;

    while (len--) {
        diff |= *p++ ^ *q++;
    }
    return !diff;
}
