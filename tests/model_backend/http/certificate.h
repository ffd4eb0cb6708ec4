// A certificate that signs itself, for TLS servers on 127.0.0.1 in tests.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace assay::testing {

struct Certificate {
  // Valid for a day, for the address 127.0.0.1.
  Certificate();
  // What a client must be given to accept it.
  std::string pem() const;

  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key;
  std::unique_ptr<X509, void (*)(X509*)> certificate;
};

}  // namespace assay::testing
