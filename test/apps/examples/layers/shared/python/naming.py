def of(text):
    return text + ".py"
