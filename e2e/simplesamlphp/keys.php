<?php
// Writes NAME.key and NAME.crt for each NAME that is asked for: RSA of 2048 bits, self-signed.
foreach (array_slice($argv, 1) as $name) {
    $key = openssl_pkey_new(['private_key_bits' => 2048, 'private_key_type' => OPENSSL_KEYTYPE_RSA]);
    $certificate = openssl_csr_sign(openssl_csr_new(['commonName' => 'idp.example'], $key), null, $key, 30);
    if (!openssl_pkey_export_to_file($key, "$name.key") || !openssl_x509_export_to_file($certificate, "$name.crt")) {
        exit(1);
    }
}
