mvpctl build -j many good.yaml
