<?php
// One person, in the groups that `state.json` says.
$state = json_decode(file_get_contents(__DIR__ . '/state.json'), true);
$config = [
    'people' => [
        'exampleauth:UserPass',
        'ada:password' => [
            'uid' => ['ada-0001'],
            'email' => ['ada@acme.example'],
            'groups' => $state['groups'],
        ],
    ],
];
