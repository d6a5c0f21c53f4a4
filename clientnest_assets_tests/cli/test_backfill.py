def test_x(small_company, tmp_path):
    import time
    t=time.time(); s=small_company.state(); print(time.time()-t)
    for k,v in s.items(): print(k,v[:30])
    t=time.time(); p=small_company.plan(); print("plan",time.time()-t,[str(x) for x in p]); assert not p
    t=time.time(); c=small_company.copy(tmp_path/"c"); print("copy",time.time()-t)
    t=time.time(); assert c.state()==s; 
    t=time.time(); assert c.backfill(); print("nothing",time.time()-t)
    t=time.time(); assert c.backfill(only="all"); print("all",time.time()-t)
    assert c.state()==s
    assert 0
