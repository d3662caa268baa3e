/* libcrypto.h - OpenSSL's digests, loaded when an image is checked: they are several times as fast as GLib's */
#pragma once

#include "base/lazy.h"

#include <openssl/evp.h>

#include <glib.h>
G_STATIC_ASSERT(OPENSSL_VERSION_MAJOR == 3); /* of soname 3 */

#define CRYPTO_LAZY(function) LAZY("libcrypto.so.3", function)

#define EVP_DigestFinal_ex CRYPTO_LAZY(EVP_DigestFinal_ex)
#define EVP_DigestInit_ex CRYPTO_LAZY(EVP_DigestInit_ex)
#define EVP_DigestUpdate CRYPTO_LAZY(EVP_DigestUpdate)
#define EVP_MD_CTX_free CRYPTO_LAZY(EVP_MD_CTX_free)
#define EVP_MD_CTX_new CRYPTO_LAZY(EVP_MD_CTX_new)
#define EVP_sha256 CRYPTO_LAZY(EVP_sha256)
#define EVP_sha512 CRYPTO_LAZY(EVP_sha512)
