<?php
// Signs with the key that `state.json` names, and announces the next one where it names one.
$state = json_decode(file_get_contents(__DIR__ . '/../state.json'), true);
$metadata['__DYNAMIC:1__'] = [
    'host' => '__DEFAULT__',
    'auth' => 'people',
    'privatekey' => $state['key'] . '.key',
    'certificate' => $state['key'] . '.crt',
    'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'saml20.sign.response' => true,
    'saml20.sign.assertion' => true,
    'sign.logout' => true,
    'redirect.validate' => true,
    'authproc' => [
        1 => [
            'class' => 'saml:AttributeNameID',
            'attribute' => 'uid',
            'Format' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
        ],
    ],
];
if (isset($state['next'])) {
    $metadata['__DYNAMIC:1__']['new_privatekey'] = $state['next'] . '.key';
    $metadata['__DYNAMIC:1__']['new_certificate'] = $state['next'] . '.crt';
}
