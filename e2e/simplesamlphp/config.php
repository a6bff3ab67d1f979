<?php
// An IdP for tests, on a free port of this machine. What changes while it runs stands in `state.json` beside this file's copy.
$here = __DIR__;
$config = [
    'baseurlpath' => 'http://' . $_SERVER['HTTP_HOST'] . '/simplesaml/',
    'certdir' => "$here/cert/",
    'loggingdir' => "$here/log/",
    'datadir' => "$here/data/",
    'tempdir' => "$here/tmp",
    'metadatadir' => "$here/metadata",
    'secretsalt' => 'a salt for tests',
    'auth.adminpassword' => 'not in use here',
    'technicalcontact_email' => 'nobody@idp.example',
    'timezone' => 'UTC',
    'logging.level' => 7,
    'logging.handler' => 'file',
    'errorreporting' => false,
    'showerrors' => true,
    'admin.checkforupdates' => false,
    'enable.saml20-idp' => true,
    'module.enable' => ['core' => true, 'exampleauth' => true, 'saml' => true],
    'session.cookie.secure' => false,
    'session.phpsession.savepath' => "$here/sessions",
    'store.type' => 'phpsession',
    'metadata.sources' => [['type' => 'flatfile']],
];
