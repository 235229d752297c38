cat >mine.yaml <<-'EOL'
carrier: 1
name: mine
title: Mine
networks: ['12', '310004']
config:
  - {key: volte, value: 'true'}
  - {key: a_bool, value: '1'}
  - {key: b_int_array, value: '1'}
csc: {code: LONG}
EOL
mvpctl variants --carrier mine.yaml good.yaml
