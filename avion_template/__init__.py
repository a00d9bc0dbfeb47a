"""`avion-template`: for people who keep many generated services current."""
