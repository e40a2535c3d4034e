/*
 * Firmware of the AMD security processor: cryptography
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_MISC_AMD_SEV_FW_CRYPTO_H
#define HW_MISC_AMD_SEV_FW_CRYPTO_H

#include "qemu/iov.h"

#define SEV_SHA256_SIZE     32
#define SEV_SHA384_SIZE     48
#define SEV_GCM_IV_SIZE     12
#define SEV_GCM_TAG_SIZE    16
#define SEV_AES256_KEY_SIZE 32
#define SEV_AES128_KEY_SIZE 16

/**
 * SevSha256: a SHA-256 that is fed in pieces
 * @h: the hash so far
 * @length: bytes so far
 * @block: the last @length % 64 of them
 *
 * The launch digest of an SEV guest lives from LAUNCH_START to
 * LAUNCH_MEASURE, so its state must be one that can be migrated.
 */
typedef struct SevSha256 {
    uint32_t h[8];
    uint64_t length;
    uint8_t block[64];
} SevSha256;

/**
 * sev_sha256_init: begin
 * @s: the state
 */
void sev_sha256_init(SevSha256 *s);

/**
 * sev_sha256_update: feed bytes
 * @s: the state
 * @data: the bytes
 * @len: how many
 */
void sev_sha256_update(SevSha256 *s, const void *data, size_t len);

/**
 * sev_sha256_final: get the hash; @s is used up
 * @s: the state
 * @digest: where to store the hash
 */
void sev_sha256_final(SevSha256 *s, uint8_t digest[SEV_SHA256_SIZE]);

/**
 * sev_sha384: hash one buffer
 * @data: the bytes
 * @len: how many
 * @digest: where to store the hash
 */
void sev_sha384(const void *data, size_t len, uint8_t digest[SEV_SHA384_SIZE]);

/**
 * sev_hmac_sha256: authenticate some buffers
 * @key: the key
 * @key_len: its length in bytes
 * @iov: the buffers
 * @niov: how many
 * @mac: where to store the authentication code
 */
void sev_hmac_sha256(const void *key, size_t key_len, const struct iovec *iov,
                     size_t niov, uint8_t mac[SEV_SHA256_SIZE]);

/**
 * sev_kdf: derive a key, NIST SP 800-108 in counter mode with HMAC-SHA256
 * @out: where to store the key
 * @out_len: length of the key in bytes
 * @key: the key to derive from
 * @key_len: its length in bytes
 * @label: what the new key is for
 * @context: what else it depends on
 * @context_len: length of @context in bytes
 */
void sev_kdf(void *out, size_t out_len, const void *key, size_t key_len,
             const char *label, const void *context, size_t context_len);

/**
 * sev_aes128_ctr: encrypt or decrypt in counter mode
 * @key: the key
 * @iv: the first counter block
 * @data: the bytes, in place
 * @len: how many
 */
void sev_aes128_ctr(const uint8_t key[SEV_AES128_KEY_SIZE],
                    const uint8_t iv[16], uint8_t *data, size_t len);

/**
 * sev_gcm_seal: encrypt and authenticate with AES-256-GCM
 * @key: the key
 * @iv: the nonce
 * @aad: what is authenticated only
 * @aad_len: how many bytes of it
 * @data: what is encrypted, in place
 * @len: how many bytes of it
 * @tag: where to store the authentication tag
 */
void sev_gcm_seal(const uint8_t key[SEV_AES256_KEY_SIZE],
                  const uint8_t iv[SEV_GCM_IV_SIZE],
                  const void *aad, size_t aad_len, uint8_t *data, size_t len,
                  uint8_t tag[SEV_GCM_TAG_SIZE]);

/**
 * sev_gcm_open: check and decrypt what sev_gcm_seal() made
 * @key: the key
 * @iv: the nonce
 * @aad: what is authenticated only
 * @aad_len: how many bytes of it
 * @data: what is decrypted, in place, if the tag is right
 * @len: how many bytes of it
 * @tag: the authentication tag
 *
 * Returns: whether the tag is right.
 */
bool sev_gcm_open(const uint8_t key[SEV_AES256_KEY_SIZE],
                  const uint8_t iv[SEV_GCM_IV_SIZE],
                  const void *aad, size_t aad_len, uint8_t *data, size_t len,
                  const uint8_t tag[SEV_GCM_TAG_SIZE]);

/**
 * sev_equal: compare secrets in constant time
 * @a: the one
 * @b: the other
 * @len: how many bytes
 */
bool sev_equal(const void *a, const void *b, size_t len);

#endif /* HW_MISC_AMD_SEV_FW_CRYPTO_H */
