<?php
// The gateway, as `state.json` describes it. Its requests have to be signed; what it gets is encrypted where that is asked for.
$state = json_decode(file_get_contents(__DIR__ . '/../state.json'), true);
$metadata[$state['entity_id']] = [
    'AssertionConsumerService' => $state['acs'],
    'SingleLogoutService' => $state['slo'],
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    'validate.authnrequest' => true,
    'validate.logout' => true,
    'certData' => $state['certificate'],
    'assertion.encryption' => $state['encrypted'],
];
