#pragma once

#include <memory>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

/// Owners of OpenSSL's objects.
namespace culvert::control {

struct OpensslFree {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); } // sends nothing, unlike SSL_shutdown
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
    void operator()(BIO_ADDR* address) const { BIO_ADDR_free(address); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};

using SslContextPointer = std::unique_ptr<SSL_CTX, OpensslFree>;
using SslPointer = std::unique_ptr<SSL, OpensslFree>;
using BioPointer = std::unique_ptr<BIO, OpensslFree>;
using BioMethodPointer = std::unique_ptr<BIO_METHOD, OpensslFree>;
using BioAddressPointer = std::unique_ptr<BIO_ADDR, OpensslFree>;
using CertificatePointer = std::unique_ptr<X509, OpensslFree>;
using KeyPointer = std::unique_ptr<EVP_PKEY, OpensslFree>;
using KeyContextPointer = std::unique_ptr<EVP_PKEY_CTX, OpensslFree>;

} // namespace culvert::control
