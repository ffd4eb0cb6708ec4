#include "tests/model_backend/http/certificate.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <catch2/catch.hpp>

namespace assay::testing {
namespace {

void add_extension(X509* certificate, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  REQUIRE(extension);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

Certificate::Certificate() : key(EVP_EC_gen("P-256"), EVP_PKEY_free), certificate(X509_new(), X509_free) {
  X509* own = certificate.get();
  REQUIRE(key);
  X509_set_version(own, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(own), 1);
  X509_gmtime_adj(X509_getm_notBefore(own), -3600);
  X509_gmtime_adj(X509_getm_notAfter(own), 24 * 3600);
  X509_set_pubkey(own, key.get());
  X509_NAME* name = X509_get_subject_name(own);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("assay test"), -1, -1, 0);
  X509_set_issuer_name(own, name);
  add_extension(own, NID_subject_alt_name, "IP:127.0.0.1");
  add_extension(own, NID_basic_constraints, "critical,CA:TRUE");
  REQUIRE(X509_sign(own, key.get(), EVP_sha256()) > 0);
}

std::string Certificate::pem() const {
  const std::unique_ptr<BIO, int (*)(BIO*)> memory(BIO_new(BIO_s_mem()), BIO_free);
  REQUIRE(PEM_write_bio_X509(memory.get(), certificate.get()) == 1);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &bytes);
  return std::string(bytes, static_cast<size_t>(size));
}

}  // namespace assay::testing
