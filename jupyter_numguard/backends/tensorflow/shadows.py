class Shadows:
    def __init__(self, log, places): pass
    def put(self): pass
    def take(self): pass
    def close(self): pass
    def collect_variables(self): pass
    def event_of_variable(self, handle): return None
    def on_graph_op(self,*a): pass
    def on_call(self,*a): pass
